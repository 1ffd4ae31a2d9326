/** Opens the API on the embedded engines in a fresh folder; for tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCustomerKey, customerKeyToBytes, shardOf, type EventRecord } from '#contracts';
import { openLmdbLog, type EventLog } from '#event-log';
import { compileFeatures, emptyState, encodeState, foldEvent, openLmdbFeatureStore, type FeatureStore } from '#feature-store';
import { loadProject } from '#project';
import { createServing, type Serving, type ServingDeps } from './index.ts';

export const CATALOG_DIR = join(import.meta.dirname, '../catalog/telco');
export const ID_KEY = 'a-key-for-tests-only';

export interface TestServing extends Serving {
  readonly log: EventLog;
  readonly store: FeatureStore;
  readonly dir: string;
  /** Another API on the same engines, as a restarted process would be. */
  again(changes?: Partial<ServingDeps>): Promise<Serving>;
  /** Writes a customer's state as the pipeline would. */
  knows(id: string, events: readonly { readonly type: string; readonly data: object; readonly time: number }[]): Promise<void>;
  stop(): Promise<void>;
}

export const openTestServing = async (
  changes: Partial<ServingDeps> | ((engines: { log: EventLog; store: FeatureStore }) => Partial<ServingDeps>) = {},
): Promise<TestServing> => {
  const dir = await mkdtemp(join(tmpdir(), 'attune-serving-'));
  const log = await openLmdbLog({ dir: join(dir, 'log'), partitions: 4 });
  const store = await openLmdbFeatureStore({ dir: join(dir, 'store'), partitions: 4 });
  const again = async (more: Partial<ServingDeps> = {}): Promise<Serving> => {
    const serving = await createServing({
      log,
      store,
      archive: null,
      catalogDir: CATALOG_DIR,
      idKey: ID_KEY,
      apiKeys: [],
      clock: Date.now,
      random: Math.random,
      ...more,
      config: { modelPatienceMs: 0, watchCatalog: false, appendBoundMs: 20_000, deadlineMs: 2_000, ...more.config },
    });
    await serving.ready;
    return serving;
  };
  const given = typeof changes === 'function' ? changes({ log, store }) : changes;
  const serving = await again(given);

  return {
    ...serving,
    log,
    store,
    dir,
    again,
    async knows(id, events) {
      const featureSet = compileFeatures(loadProject(given.catalogDir ?? CATALOG_DIR));
      const key = customerKeyToBytes(createCustomerKey(ID_KEY)({ kind: 'customer', id }));
      const state = emptyState(featureSet);
      for (const [index, { type, data, time }] of events.entries()) {
        const event: EventRecord = {
          id: `k-${index}`,
          source: 'test',
          type,
          subjectKind: 'customer',
          subjectId: id,
          customerKey: key,
          time,
          receivedAt: time,
          data: JSON.stringify(data),
        };
        foldEvent(state, event, data as Record<string, unknown>, featureSet);
      }
      const [result] = await store.states.commit([
        { key, shard: shardOf(id), value: encodeState(state, Date.now()), expected: null, companions: [], timer: { from: null, to: null } },
      ]);
      if (result !== 'committed') throw new Error(`the state of ${id} was ${result}`);
    },
    async stop() {
      await serving.close();
      await store.close();
      await log.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
};
