/** Puts a partition of a snapshot back into an empty store: states with the links and timers that follow from them, then what waits for its decision. */
import {
  AttuneError,
  customerKeyFromBytes,
  customerKeyOfDecision,
  customerKeyToBytes,
  decisionIdFromBytes,
  decisionIdToBytes,
} from '#contracts';
import type { EventLog } from '#event-log';
import {
  decodeState,
  encodeLink,
  fingerprintOf,
  loadFeatureSet,
  positionsOf,
  recordKindOf,
  type CommitResult,
  type FeatureSet,
  type FeatureStore,
  type StateCommit,
} from '#feature-store';
import { unpackWaiting, waitsUntil } from '../state/waiting.ts';
import { readChunk, type ChunkRecord } from './chunk-file.ts';
import { findDecision } from './find-decision.ts';
import type { KnownErasures } from './read-erasures.ts';
import { DECISIONS } from './input-places.ts';
import { chunkPath, isErasedSince, type Snapshot } from './snapshot.ts';

export interface RestoreDeps {
  readonly log: EventLog;
  readonly store: FeatureStore;
  readonly featureSet: FeatureSet;
  readonly snapshot: Snapshot;
  readonly erased: KnownErasures;
  /** With the records put back or left out. Throws to end the work. */
  readonly onRecords: (count: number) => void;
}

const COMMITS = 500;

export const restorePartition = async (deps: RestoreDeps, partition: number): Promise<void> => {
  const { store, snapshot, onRecords } = deps;
  const { chunks } = snapshot.manifest.partitions[partition]!;
  const waiting: ChunkRecord[] = [];
  /** The store may have named a customer twice: of which moment it is restored, the log tells the rest. */
  const restored = new Set<string>();
  for (let chunk = 0; chunk < chunks; chunk++) {
    const records = await readChunk(chunkPath(snapshot.dir, partition, chunk));
    for (let from = 0; from < records.length; from += COMMITS) {
      const commits: StateCommit[] = [];
      for (const record of records.slice(from, from + COMMITS)) {
        const name = record.key.toString('latin1');
        if (recordKindOf(record.value) === 'waiting') waiting.push(record);
        else if (!restored.has(name) && !isErased(deps, record.key)) {
          restored.add(name);
          commits.push(await stateCommit(deps, record));
        }
      }
      refuseInterference(await store.states.commit(commits));
      onRecords(Math.min(COMMITS, records.length - from));
    }
  }
  for (const record of waiting) await restoreWaiting(deps, partition, record);
};

const refuseInterference = (results: readonly CommitResult[]): void => {
  if (!results.includes('refused')) return;
  throw new AttuneError(
    'rebuild.interference',
    'somebody else writes to the feature store during its rebuild; stop every `attune pipeline` (one of an older version does not wait) and rebuild again',
  );
};

/** Erasures that had been carried out before the snapshot left nothing in it: what is there is of afterwards. */
const isErased = ({ erased, snapshot }: RestoreDeps, key: Buffer): boolean => {
  const erasure = erased.get(customerKeyFromBytes(key));
  return erasure !== undefined && isErasedSince(snapshot.manifest, erasure);
};

/** A decision has a link while it is pending and is not its own customer (pipeline/state/apply-decision.ts). */
const stateCommit = async ({ store, featureSet }: RestoreDeps, { key, shard, value }: ChunkRecord): Promise<StateCommit> => {
  await loadFeatureSet(store.blobs, featureSet, fingerprintOf(value));
  const state = decodeState(value, featureSet);
  const customer = customerKeyFromBytes(key);
  const link = encodeLink(customer);
  const companions = state.pending
    .filter(({ decisionId }) => customerKeyOfDecision(decisionId) !== customer)
    .map(({ decisionId }) => ({ key: decisionIdToBytes(decisionId), value: link }));
  return { key, shard, value, expected: null, companions, timer: { from: null, to: state.nextTimerMs } };
};

/** Left out where the decision came while the snapshot was taken: its customer's state has the outcomes in it. */
const restoreWaiting = async ({ log, store }: RestoreDeps, partition: number, { key, shard, value }: ChunkRecord): Promise<void> => {
  const decision = await findDecision(log, partition, decisionIdFromBytes(key));
  if (decision !== null) {
    const state = await store.states.read(customerKeyToBytes(decision.customerKey), shard);
    if (state !== null && recordKindOf(state) === 'state' && positionsOf(state).positions[DECISIONS]! >= decision.offset) return;
  }
  const timer = { from: null, to: waitsUntil(unpackWaiting(value) ?? []) };
  // Refused where a link stands already: the decision is pending, and has what waited.
  await store.states.commit([{ key, shard, value, expected: null, companions: [], timer }]);
};
