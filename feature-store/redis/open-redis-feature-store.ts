/** The feature store on one Redis or on a Redis Cluster. */
import type { FeatureStore } from '../port.ts';
import { parsePlace } from './addresses.ts';
import { createRedisBlobs } from './blobs.ts';
import { createCommands } from './commands.ts';
import { createRedisDocuments } from './documents.ts';
import { createKeys } from './keys.ts';
import { createRedisLeases } from './leases.ts';
import { createLossGate, identitiesOf, type LossGate } from './loss-gate.ts';
import { openNodes, type Nodes } from './nodes.ts';
import { createRedisRequests } from './requests.ts';
import { createRedisReservations } from './reservations.ts';
import { createRedisStates } from './states.ts';
import { createRedisTimers } from './timers.ts';
import { createWiper } from './wipe.ts';

export interface RedisFeatureStoreOptions {
  /** redis://…, or rediss:// for TLS; of a Redis Cluster one node or several with commas between. */
  readonly url: string;
  /** As many as the event log has. The stored keys do not depend on it. */
  readonly partitions: number;
  /** Begins every key, and costs its bytes in each. Default 'attune:'. */
  readonly prefix?: string;
  /** PEM of the authority behind rediss://, where the system does not know it. */
  readonly caFile?: string;
  /** Default 30: a read that takes longer has failed. */
  readonly readTimeoutMs?: number;
  /** Default 10,000: how long opening may take. */
  readonly openTimeoutMs?: number;
  /** Told what an operator wants to know and no call rejects with. */
  readonly warn?: (message: string) => void;
}

/** AOF `everysec` loses up to two seconds, a fail-over what was not yet replicated; commits are held back longer than either. */
export const REDIS_MAY_LOSE_MS = 5_000;

const SILENCE_MS = 10_000;

export const openRedisFeatureStore = async (options: RedisFeatureStoreOptions): Promise<FeatureStore> => {
  const { partitions, prefix = 'attune:', readTimeoutMs = 30, openTimeoutMs = 10_000, warn = () => {} } = options;
  const keys = createKeys(prefix);
  let gate: LossGate | undefined;
  let opened: Nodes | null = null;
  const nodes = await openNodes({
    place: parsePlace(options.url, options.caFile),
    readTimeoutMs,
    openTimeoutMs,
    silenceMs: SILENCE_MS,
    onClose: (node) => {
      if (opened?.owners().includes(node) === true) gate?.shut(false);
      void opened?.refresh().catch(() => undefined);
    },
    onMove: () => gate?.shut(true),
  });
  opened = nodes;
  try {
    const commands = createCommands(nodes);
    const timers = createRedisTimers(commands, keys, partitions);
    const wiper = createWiper({ nodes, commands, keys, warn });
    const losses = createLossGate({ owners: () => nodes.owners(), onShut: () => timers.forget() }, await identitiesOf(nodes.owners()));
    gate = losses;
    const states = createRedisStates({
      nodes,
      commands,
      keys,
      gate: losses,
      onTimer: (bucket, dueMs) => timers.note(bucket, dueMs),
      onWipe: () => wiper.soon(),
    });
    await wiper.resume();
    return {
      states,
      timers,
      blobs: createRedisBlobs(commands, keys),
      requests: createRedisRequests(commands, keys),
      leases: createRedisLeases(commands, keys),
      documents: createRedisDocuments({ commands, keys, gate: losses, onWipe: () => wiper.soon() }),
      reservations: createRedisReservations({ commands, keys, gate: losses }),
      mayLoseMs: REDIS_MAY_LOSE_MS,
      onLoss: (listener) => losses.onLoss(listener),
      async close() {
        losses.close();
        wiper.close();
        nodes.close();
      },
    };
  } catch (error) {
    nodes.close();
    throw error;
  }
};
