/** `attune dead-letters [list|replay]`: records that could not be used. */
import { parseArgs } from 'node:util';
import { AttuneError } from '#contracts';
import { listDeadLetters, replayDeadLetters } from '#pipeline';
import type { DeadLetterFilter } from '#pipeline';
import type { Config } from '../config.ts';
import { EXIT } from '../exit-codes.ts';
import { openStores } from '../open-stores.ts';
import { replayOfSources } from '../sources.ts';

const SHOWN_CHARACTERS = 200;

export const deadLetters = async (config: Config, args: readonly string[]): Promise<void> => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      topic: { type: 'string' },
      reason: { type: 'string' },
      partition: { type: 'string' },
      offset: { type: 'string' },
      limit: { type: 'string' },
    },
  });
  const [verb = 'list'] = positionals;
  if (verb !== 'list' && verb !== 'replay')
    throw new AttuneError('config.invalid', `there is no 'dead-letters ${verb}'; it is list or replay`);
  const filter: DeadLetterFilter = {
    ...(values.topic !== undefined && { topic: values.topic }),
    ...(values.reason !== undefined && { reason: values.reason }),
    ...(values.partition !== undefined && { partition: wholeNumber('partition', values.partition) }),
    ...(values.offset !== undefined && { offset: wholeNumber('offset', values.offset) }),
    ...(values.limit !== undefined && { limit: wholeNumber('limit', values.limit) }),
  };
  const stores = await openStores(config);
  try {
    if (verb === 'replay') {
      console.log(`${await replayDeadLetters(stores.log, filter, replayOfSources(config))} records given back`);
      return;
    }
    const letters = await listDeadLetters(stores.log, filter);
    for (const { at, topic, partition, offset, payload, ...why } of letters) {
      const shown = payload
        .toString('utf8')
        .replaceAll(/[^\u0020-\u007E]+/g, '·')
        .slice(0, SHOWN_CHARACTERS);
      console.log(`${new Date(at).toISOString()} ${topic}/${partition}@${offset} ${JSON.stringify(why)} ${shown}`);
    }
    console.log(`${letters.length} dead letters`);
  } finally {
    await stores.close();
  }
  process.exitCode = EXIT.ok;
};

const wholeNumber = (name: string, text: string): number => {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new AttuneError('config.invalid', `--${name} must be a whole number, not '${text}'`);
};
