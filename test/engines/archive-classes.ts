/**
 * Lets one broker write the archive of its classes, which every later one starts from (`npm run engines:install`). Without it they start
 * all the same, only later.
 */
import { renameSync } from 'node:fs';
import { CLASSES, kafkaIsMissing, startKafka } from './kafka.ts';

const archive = async (): Promise<void> => {
  const missing = await kafkaIsMissing();
  if (missing !== null) throw new Error(`Kafka needs ${missing}`);
  const unfinished = `${CLASSES}.${process.pid}`;
  const kafka = await startKafka({ archiveTo: unfinished });
  await kafka.stop();
  renameSync(unfinished, CLASSES);
};

await archive().catch((error: unknown) => console.error(`engines: no archive of the broker's classes: ${String(error)}`));
