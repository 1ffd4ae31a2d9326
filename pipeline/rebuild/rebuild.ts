/** Makes the feature store anew: from the last snapshot and the log after it, or from the log alone. */
import { setTimeout as delay } from 'node:timers/promises';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AttuneError, STATE_INPUTS } from '#contracts';
import type { EventLog } from '#event-log';
import { markRebuild, publishFeatureSet, unmarkRebuild, type FeatureStore } from '#feature-store';
import type { Logger } from '../role.ts';
import { createStateMetrics } from '../state/metrics.ts';
import type { StateProject } from '../state/state-role.ts';
import { emptyStore } from './empty-store.ts';
import { createIsCounted } from './is-counted.ts';
import { forgetDocuments } from './forget-documents.ts';
import { holdRebuildLease, type HeldLease } from './rebuild-lease.ts';
import type { OnProgress } from '../progress.ts';
import { readErasures, type KnownErasures } from './read-erasures.ts';
import { replayPartition } from './replay-partition.ts';
import { restoreErasureMarks } from './restore-erasure-marks.ts';
import { restorePartition } from './restore-partition.ts';
import { BLOBS, type Offsets, type Snapshot } from './snapshot.ts';
import { committedOf } from './take-snapshot.ts';
import { gapsBefore, refuseEarlierLife, refuseGaps } from './gaps.ts';

export interface RebuildDeps {
  readonly log: EventLog;
  readonly store: FeatureStore;
  readonly project: StateProject;
  readonly logger: Logger;
  /** Null: the log alone. */
  readonly snapshot: Snapshot | null;
  /** Goes on although the log does not reach back far enough: what it lacks is lost. */
  readonly acceptLoss?: boolean;
  readonly onProgress?: OnProgress;
  /** From the mark until nobody works on who has not seen it: longer than a watch sleeps. Default 5 s. */
  readonly settleMs?: number;
  /** Partitions at a time. Default 4. */
  readonly parallel?: number;
}

export interface Rebuilt {
  /** Of the snapshot: states and waiting outcomes. */
  readonly restored: number;
  /** Of the log. */
  readonly replayed: number;
}

/** The state role commits meanwhile only if it is of an older version; then there is more to replay, a few times at most. */
const MOST_ROUNDS = 5;

/**
 * Rejects with `rebuild.gap` before anything is touched when the log does not reach back to the snapshot, with `rebuild.raised` when there is none and
 * the log's partitions were raised after its first records. When it fails or dies later, the mark stays:
 * state waits and serving answers without customers' states until a rebuild ends well; it may simply be started again.
 */
export const rebuild = async (deps: RebuildDeps): Promise<Rebuilt> => {
  const { log, store, logger } = deps;
  refuseOtherLog(deps);
  const gaps = await gapsBefore(log, deps.snapshot);
  if (deps.acceptLoss !== true) {
    refuseGaps(gaps, deps.snapshot);
    if (deps.snapshot === null) await refuseEarlierLife(log);
  }
  const lease = await holdRebuildLease(store.leases);
  try {
    await markRebuild(store.leases);
    logger.info({ settleMs: deps.settleMs ?? SETTLE_MS }, 'the feature store is marked: state waits, serving decides without it');
    await delay(deps.settleMs ?? SETTLE_MS);
    const rebuilt = await build(deps, lease);
    await unmarkRebuild(store.leases);
    return rebuilt;
  } finally {
    await lease.release();
  }
};

const SETTLE_MS = 5_000;

const refuseOtherLog = ({ log, snapshot }: RebuildDeps): void => {
  if (snapshot === null) return;
  const { epoch, partitions } = snapshot.manifest;
  if (epoch === log.epoch && partitions.length === log.partitions) return;
  throw new AttuneError(
    'rebuild.epoch',
    `the snapshot ${snapshot.name} is of life ${epoch} of the log with ${partitions.length} partitions; the log is in life ${log.epoch} with ${log.partitions}, and its positions mean nothing there: use a snapshot taken since, or, where there is none, --from-log (with --accept-loss after partitions were raised: what lies by their former number is then left out)`,
  );
};

const build = async (deps: RebuildDeps, lease: HeldLease): Promise<Rebuilt> => {
  const { log, store, snapshot, project } = deps;
  await publishFeatureSet(store.blobs, project.featureSet);
  if (snapshot !== null) await restoreBlobs(store, snapshot);
  // Erasures first: nobody who is on the list comes back, not even for a moment.
  const erased = await readErasures(log);
  const partitions = Array.from({ length: log.partitions }, (_, partition) => partition);
  const each = (work: (partition: number) => Promise<void>): Promise<void> => inParallel(partitions, deps.parallel ?? 4, work);

  const emptied = createCount(deps, lease, 'emptying the store', null);
  await emptyStore(store, log.partitions, emptied.add);
  emptied.end();
  await forgetDocuments(store, erased);
  await restoreErasureMarks(store, erased, log.epoch);

  const restored = createCount(deps, lease, 'restoring the snapshot', snapshot === null ? 0 : recordsOf(snapshot));
  if (snapshot !== null) {
    const restoreDeps = { log, store, featureSet: project.featureSet, snapshot, erased, onRecords: restored.add };
    await each((partition) => restorePartition(restoreDeps, partition));
  }
  return { restored: restored.done(), replayed: await replayAll(deps, lease, erased, each) };
};

/** To where the group stands; its offsets stay as they are, so that the state role goes on from there. */
const replayAll = async (
  deps: RebuildDeps,
  lease: HeldLease,
  erased: KnownErasures,
  each: (work: (partition: number) => Promise<void>) => Promise<void>,
): Promise<number> => {
  const { log, store, project, snapshot } = deps;
  const erasedAt = (key: Parameters<KnownErasures['get']>[0]): number | undefined => erased.get(key)?.erasedAt;
  const isCounted = createIsCounted({ log, store, featureSet: project.featureSet, erasedAt });
  const from: Offsets[] = [];
  for (let partition = 0; partition < log.partitions; partition++) {
    from.push(snapshot?.manifest.partitions[partition]!.replayFrom ?? (await firstOf(log, partition)));
  }
  let replayed = 0;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const until: Offsets[] = [];
    for (let partition = 0; partition < log.partitions; partition++) until.push(await committedOf(log, partition));
    const total = until.reduce((sum, offsets, partition) => sum + between(from[partition]!, offsets), 0);
    if (total === 0) break;
    const count = createCount(deps, lease, 'replaying the log', total);
    const batch = { store, facts: () => project, metrics: createStateMetrics() };
    await each((partition) =>
      replayPartition({ log, batch, erasedAt, isCounted, onRecords: count.add }, partition, from[partition]!, until[partition]!),
    );
    count.end();
    replayed += count.done();
    until.forEach((offsets, partition) => (from[partition] = offsets));
  }
  return replayed;
};

const firstOf = async (log: EventLog, partition: number): Promise<Offsets> => {
  const offsets: { [topic: string]: number } = {};
  for (const topic of STATE_INPUTS) offsets[topic] = (await log.offsets(topic, partition)).first;
  return offsets;
};

const between = (from: Offsets, until: Offsets): number =>
  STATE_INPUTS.reduce((sum, topic) => sum + Math.max(0, (until[topic] ?? 0) - (from[topic] ?? 0)), 0);

const recordsOf = ({ manifest }: Snapshot): number => manifest.partitions.reduce((sum, { states, waiting }) => sum + states + waiting, 0);

const restoreBlobs = async (store: FeatureStore, { dir, manifest }: Snapshot): Promise<void> => {
  for (const { name, hash } of manifest.blobs) {
    const bytes = await readFile(join(dir, '..', BLOBS, hash));
    await store.blobs.put(bytes, name ?? undefined);
  }
};

/** Counts, tells, and ends the work when the lease is lost. */
const createCount = ({ onProgress }: RebuildDeps, lease: HeldLease, phase: string, total: number | null) => {
  let done = 0;
  return {
    add: (count: number): void => {
      lease.refuseLost();
      done += count;
      if (count > 0) onProgress?.({ phase, done, total });
    },
    done: (): number => done,
    /** Gaps in offsets are counted as if they had been records. */
    end: (): void => onProgress?.({ phase, done: total ?? done, total: total ?? done }),
  };
};

const inParallel = async (items: readonly number[], parallel: number, work: (item: number) => Promise<void>): Promise<void> => {
  const left = [...items];
  const run = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: parallel }, run));
};
