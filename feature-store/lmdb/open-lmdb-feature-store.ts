/** The feature store on LMDB: four environments, because each has one write lock: states with timers, blobs, requests, documents. */
import { join } from 'node:path';
import { AttuneError } from '#contracts';
import type { FeatureStore } from '../port.ts';
import { createLmdbBlobs } from './blobs.ts';
import { openEnvironment, type Environment } from './environment.ts';
import { createLmdbDocuments } from './documents.ts';
import { createLmdbLeases } from './leases.ts';
import { createLmdbRequests } from './requests.ts';
import { createLmdbReservations } from './reservations.ts';
import { createLmdbStates } from './states.ts';

export interface LmdbFeatureStoreOptions {
  /** Shared by all processes of one machine; created when absent. */
  readonly dir: string;
  /** As many as the event log has; it cannot change later. */
  readonly partitions: number;
}

/** Beside one of states for each partition. */
const OTHER_TABLES = 16;

export const openLmdbFeatureStore = async ({ dir, partitions }: LmdbFeatureStoreOptions): Promise<FeatureStore> => {
  const environments = ['states', 'blobs', 'requests', 'documents'].map((name) =>
    openEnvironment(join(dir, name), partitions + OTHER_TABLES),
  );
  const [states, blobs, requests, documents] = environments as [Environment, Environment, Environment, Environment];
  try {
    await agreeOnPartitions(states, partitions, join(dir, 'states'));
    const { stop, ...tables } = createLmdbStates(states, partitions);
    const { stop: stopDocuments, ...withDocuments } = createLmdbDocuments(documents);
    return {
      ...withDocuments,
      reservations: createLmdbReservations(documents),
      ...tables,
      blobs: createLmdbBlobs(blobs),
      requests: createLmdbRequests(requests),
      leases: createLmdbLeases(requests),
      mayLoseMs: 0,
      onLoss: () => () => {},
      close: async () => {
        await Promise.all([stop(), stopDocuments()]);
        await Promise.all(environments.map((environment) => environment.close()));
      },
    };
  } catch (error) {
    await Promise.all(environments.map((environment) => environment.close()));
    throw error;
  }
};

const agreeOnPartitions = async (environment: Environment, partitions: number, path: string): Promise<void> => {
  const meta = environment.table('meta');
  const key = Buffer.from('partitions');
  const stored = await environment.durably(() => {
    if (!meta.doesExist(key)) meta.putSync(key, Buffer.of(partitions >> 8, partitions & 255));
    return Buffer.from(meta.getBinary(key)!).readUInt16BE();
  });
  if (stored !== partitions) {
    throw new AttuneError(
      'feature-store.partitions',
      `the embedded feature store in ${path} has ${stored} partitions and the event log has ${partitions}; it keeps those that it was made with. Stop every role, move that folder away, and run attune rebuild --from-log (with --accept-loss where the log's partitions were raised); or use Redis (REDIS_URL), which does not depend on them`,
    );
  }
};
