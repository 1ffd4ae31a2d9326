/** `attune doctor [--fix] [--partitions N]`: checks what the system stands on, says what to do about each fault, mends what it may. */
import { parseArgs } from 'node:util';
import { AttuneError } from '#contracts';
import type { Config } from '../config.ts';
import { checkKafka } from '../doctor/check-kafka.ts';
import type { KafkaCure } from '../doctor/check-kafka.ts';
import { checkMachine } from '../doctor/check-machine.ts';
import { checkFeatureStore } from '../doctor/check-redis.ts';
import { checkWarehouse } from '../doctor/check-warehouse.ts';
import { formatFinding, note } from '../doctor/finding.ts';
import type { Finding } from '../doctor/finding.ts';
import { EXIT } from '../exit-codes.ts';

/** Exit code 1 while anything is at fault. */
export const doctor = async (config: Config, args: readonly string[]): Promise<void> => {
  const cure = parseCure(config, args);
  const { kafka, redis } = config;
  const parts: readonly (() => Promise<readonly Finding[]>)[] = [
    () => checkMachine(config),
    async () => (kafka === null ? [note('no KAFKA_BROKERS: the event log is embedded')] : checkKafka(kafka, config, cure)),
    async () => (redis === null ? [noteOfEmbeddedStore(kafka !== null)] : checkFeatureStore(redis, config.idKey)),
    () => checkWarehouse(config, cure.fix),
  ];
  // One after another, and told as they come: an engine that is away takes its time to say so.
  let faults = 0;
  for (const part of parts) {
    for (const finding of await part()) {
      console.log(formatFinding(finding));
      if (finding.state === 'fault') faults++;
    }
  }
  process.exitCode = faults > 0 ? EXIT.failed : EXIT.ok;
};

const noteOfEmbeddedStore = (besideKafka: boolean): Finding =>
  note(
    besideKafka
      ? 'no REDIS_URL: the feature store is embedded and belongs to this machine, as Kafka does not: every role must run on this machine, with the same ATTUNE_DATA_DIR'
      : 'no REDIS_URL: the feature store is embedded',
  );

const parseCure = (config: Config, args: readonly string[]): KafkaCure => {
  const { values } = parseArgs({
    args: [...args],
    options: { fix: { type: 'boolean', default: false }, partitions: { type: 'string' } },
  });
  if (values.partitions === undefined) return { fix: values.fix, partitions: null };
  if (config.kafka === null)
    throw new AttuneError(
      'config.invalid',
      '--partitions raises those of Kafka’s topics; the embedded log keeps the partitions it was made with',
    );
  if (config.redis === null)
    throw new AttuneError(
      'config.invalid',
      '--partitions needs Redis (REDIS_URL): the embedded feature store keeps the partitions it was made with, and would not open again',
    );
  const partitions = Number(values.partitions);
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > 1_024)
    throw new AttuneError('config.invalid', `--partitions must be a whole number from 1 to 1024, not '${values.partitions}'`);
  return { fix: values.fix, partitions };
};
