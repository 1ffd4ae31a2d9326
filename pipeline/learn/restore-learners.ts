/** Where a learner goes on from: its own files, the shared checkpoint and the log behind it, or the log's beginning. */
import { DAY_MS, TOPICS } from '#contracts';
import type { Clock, Topic } from '#contracts';
import type { EventLog, LogRecord } from '#event-log';
import type { FeatureStore } from '#feature-store';
import type { Learner } from '#models';
import type { Logger } from '../role.ts';
import type { LearnCheckpoint } from './experience-store.ts';
import { readLearnerFile } from './learner-files.ts';
import type { SharedAt } from './model-board.ts';
import { learnerOfShared, readShared } from './shared-checkpoint.ts';
import type { SharedCheckpoint } from './shared-checkpoint.ts';

export const TOPICS_LEARNED: readonly Topic[] = [TOPICS.decisions, TOPICS.rewards];

export type Offsets = Readonly<Record<string, number>>;
export const offsetKey = ({ topic, partition }: Pick<LogRecord, 'topic' | 'partition'>): string => `${topic}/${partition}`;

export interface Restored {
  readonly from: 'own files' | 'shared checkpoint' | 'log';
  readonly offsets: Offsets;
  readonly learners: readonly { readonly learner: Learner; readonly watermark: number; readonly challenger: boolean }[];
  /** Records that the log dropped before they were learned. */
  readonly missed: number;
}

export interface RestoreDeps {
  readonly log: EventLog;
  readonly blobs: FeatureStore['blobs'];
  readonly dir: string;
  readonly restoreLearner: (bytes: Uint8Array) => Learner | Promise<Learner>;
  readonly logger: Logger;
}

export const restoreLearners = async (deps: RestoreDeps, own: LearnCheckpoint | null, sharedAt: SharedAt | null): Promise<Restored> => {
  const { log, logger } = deps;
  // A new epoch has new offsets; what comes again from it is known by its rows.
  const ownOffsets = own === null || own.epoch !== log.epoch ? {} : own.offsets;
  const missedByOwn = own !== null && own.epoch !== log.epoch ? 0 : await missed(log, ownOffsets);
  if (own !== null && missedByOwn === 0)
    return { from: 'own files', offsets: ownOffsets, learners: await ownLearners(deps, own), missed: 0 };

  const shared = sharedAt === null ? null : await readShared(deps.blobs, sharedAt.blob);
  if (sharedAt !== null && shared === null)
    logger.warn({ blob: sharedAt.blob }, 'the shared checkpoint is not in the feature store; learning begins without it');
  if (shared !== null) {
    const offsets = shared.epoch === log.epoch ? shared.offsets : await offsetsAt(log, shared.atMs);
    const missedByShared = await missed(log, offsets);
    if (own === null || missedByShared < missedByOwn) {
      const learners = await sharedLearners(deps, shared);
      logger.info(
        { takenAt: new Date(shared.atMs).toISOString(), learners: learners.length },
        'learning goes on from the shared checkpoint',
      );
      return { from: 'shared checkpoint', offsets, learners, missed: missedByShared };
    }
  }
  if (own !== null) return { from: 'own files', offsets: ownOffsets, learners: await ownLearners(deps, own), missed: missedByOwn };
  return { from: 'log', offsets: {}, learners: [], missed: missedByOwn };
};

/**
 * Feeds `rebuild` what the log still has of the records that a shared checkpoint has learned from: all decisions, then all rewards, so that a
 * row is in the end what it was then. Of each partition only what is younger than its oldest reward: a decision whose first reward was
 * dropped would look as if it had never been learned from.
 */
export const readBack = async (
  { log, clock, ttlDays }: { readonly log: EventLog; readonly clock: Clock; readonly ttlDays: number },
  upTo: Offsets,
  rebuild: (record: LogRecord) => Promise<void>,
): Promise<void> => {
  for (let partition = 0; partition < log.partitions; partition++) {
    const sinceMs = Math.max(clock() - ttlDays * DAY_MS, await oldestRewardMs(log, partition));
    for (const topic of TOPICS_LEARNED) {
      const end = upTo[offsetKey({ topic, partition })] ?? 0;
      let at = await log.offsetAt(topic, partition, sinceMs);
      while (at < end) {
        const records = await log.read(topic, partition, at, 1_000);
        for (const record of records) if (record.offset < end) await rebuild(record);
        at = records.length === 0 ? end : records.at(-1)!.offset + 1;
      }
    }
  }
};

/** 0: none was dropped yet; after all others when none is left. */
const oldestRewardMs = async (log: EventLog, partition: number): Promise<number> => {
  const { first } = await log.offsets(TOPICS.rewards, partition);
  if (first === 0) return 0;
  const [oldest] = await log.read(TOPICS.rewards, partition, first, 1);
  return oldest?.timestampMs ?? Number.MAX_SAFE_INTEGER;
};

const missed = async (log: EventLog, offsets: Offsets): Promise<number> => {
  let records = 0;
  for (const topic of TOPICS_LEARNED)
    for (let partition = 0; partition < log.partitions; partition++) {
      const { first } = await log.offsets(topic, partition);
      records += Math.max(0, first - (offsets[offsetKey({ topic, partition })] ?? 0));
    }
  return records;
};

const offsetsAt = async (log: EventLog, timeMs: number): Promise<Offsets> => {
  const offsets: Record<string, number> = {};
  for (const topic of TOPICS_LEARNED)
    for (let partition = 0; partition < log.partitions; partition++)
      offsets[offsetKey({ topic, partition })] = await log.offsetAt(topic, partition, timeMs);
  return offsets;
};

const ownLearners = async ({ dir, restoreLearner }: RestoreDeps, { learners }: LearnCheckpoint): Promise<Restored['learners']> => {
  const restored = [];
  for (const { file, watermark, challenger = false } of learners)
    restored.push({ learner: await restoreLearner(await readLearnerFile(dir, file)), watermark, challenger });
  return restored;
};

const sharedLearners = async ({ blobs, restoreLearner }: RestoreDeps, { learners }: SharedCheckpoint): Promise<Restored['learners']> => {
  const restored = [];
  for (const kept of learners) {
    const learner = await restoreLearner(await learnerOfShared(blobs, kept));
    restored.push({ learner, watermark: kept.watermark, challenger: kept.challenger ?? false });
  }
  return restored;
};
