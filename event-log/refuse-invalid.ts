/** What no log takes, whichever engine keeps it: refused before anything of the call is written. */
import { AttuneError, COMPACTED_TOPICS } from '#contracts';
import type { AppendRecord } from './port.ts';

const MAX_KEY_BYTES = 65_000;

/** Throws `event-log.shard` or `event-log.key`. */
export const refuseInvalid = ({ topic, shard, key }: AppendRecord): void => {
  if (!Number.isInteger(shard) || shard < 0 || shard > 0xffff)
    throw new AttuneError('event-log.shard', `A shard is an integer from 0 to 65535, not ${shard}.`);
  if (key !== undefined && key.length > MAX_KEY_BYTES)
    throw new AttuneError('event-log.key', `A key of ${key.length} bytes is too long; the limit is ${MAX_KEY_BYTES}.`);
  if (key === undefined && COMPACTED_TOPICS.includes(topic))
    throw new AttuneError('event-log.key', `A record on the compacted topic ${topic} needs a key.`);
};
