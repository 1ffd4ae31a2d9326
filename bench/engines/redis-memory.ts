/** What a customer takes of Redis' memory: used_memory before and after so many of them, keys, hashes and allocator included. */
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { decisionIdToBytes, type CustomerKey } from '#contracts';
import { compileFeatures, encodeLink, encodeState, openRedisFeatureStore, type CustomerState, type StateCommit } from '#feature-store';
import { loadProject } from '#project';
import { sampleState } from '../../feature-store/state/sample-customers.ts';

/** `features`: attributes, features and the ids seen; `full`: also 20 contacts, pair counters, 5 pending decisions with their links, a timer. */
export type CustomerKind = 'features' | 'full';

export interface RedisMemory {
  readonly kind: CustomerKind;
  readonly customers: number;
  readonly bytesPerCustomer: number;
  /** Of the encoded state alone. */
  readonly stateBytes: number;
}

const NOW_MS = Date.UTC(2026, 10, 23, 12);
const SAMPLES = 400;
const BATCH = 500;

/** @param options.url of a Redis (or Cluster) that nothing else uses meanwhile, and is emptied before and after */
export const measureRedisMemory = async (options: { url: string; customers: number; kind: CustomerKind }): Promise<RedisMemory> => {
  const { url, customers, kind } = options;
  const set = compileFeatures(loadProject(new URL('../../catalog/telco', import.meta.url).pathname));
  const samples = Array.from({ length: SAMPLES }, (_, seed) => sampleState(set, seed, NOW_MS));
  if (kind === 'features') for (const state of samples) strip(state);
  const values = samples.map((state) => encodeState(state, NOW_MS));
  await empty(url);
  const store = await openRedisFeatureStore({ url, partitions: 16, readTimeoutMs: 5_000 });
  await store.states.read(Buffer.alloc(16), 0);
  const before = await usedMemory(url);
  for (let from = 0; from < customers; from += BATCH) {
    const count = Math.min(BATCH, customers - from);
    await store.states.commit(Array.from({ length: count }, (_, i) => customer(from + i, samples, values)));
  }
  const after = await usedMemory(url);
  await store.close();
  await empty(url);
  const stateBytes = values.reduce((sum, { length }) => sum + length, 0) / SAMPLES;
  return { kind, customers, bytesPerCustomer: Math.round((after - before) / customers), stateBytes: Math.round(stateBytes) };
};

const strip = (state: CustomerState): void => {
  state.contacts.length = 0;
  state.pairs.clear();
  state.pending.length = 0;
  state.nextTimerMs = null;
};

const customer = (n: number, samples: readonly CustomerState[], values: readonly Buffer[]): StateCommit => {
  const state = samples[n % SAMPLES]!;
  const digest = createHash('sha256').update(`c-${n}`).digest();
  const shard = digest.readUInt16BE(30);
  const key = digest.subarray(0, 16);
  const link = encodeLink(key.toString('hex') as CustomerKey);
  const companions = state.pending.map(({ decisionId }, i) => {
    const id = decisionIdToBytes(decisionId);
    createHash('sha256').update(`${n}/${i}`).digest().copy(id, 8, 0, 6);
    id.writeUInt16BE(shard, 14);
    return { key: id, value: link };
  });
  const { nextTimerMs } = state;
  // Windows close over three days, not all in the samples' half hour.
  const to = nextTimerMs === null ? null : nextTimerMs + (digest.readUInt32BE(20) % (72 * 3_600_000));
  return { key, shard, value: values[n % SAMPLES]!, expected: null, companions, timer: { from: null, to } };
};

const onEach = async <T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T[]> =>
  Promise.all(
    url.split(',').map(async (node) => {
      const redis = new Redis(node);
      try {
        return await work(redis);
      } finally {
        redis.disconnect();
      }
    }),
  );

const empty = (url: string): Promise<unknown> => onEach(url, (redis) => redis.flushall());

const usedMemory = async (url: string): Promise<number> => {
  const each = await onEach(url, async (redis) => Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))![1]));
  return each.reduce((sum, bytes) => sum + bytes, 0);
};
