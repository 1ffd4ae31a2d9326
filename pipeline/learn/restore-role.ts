/** Puts the learners in hand and the board where an earlier life of this role, or another machine's, left them. */
import { MINUTE_MS } from '#contracts';
import type { Clock } from '#contracts';
import type { EventLog } from '#event-log';
import type { FeatureStore } from '#feature-store';
import type { Learner } from '#models';
import type { Logger } from '../role.ts';
import { caughtUpChallenger } from './challenger.ts';
import { MAX_IN_HAND } from './experience-desk.ts';
import type { ExperienceDesk } from './experience-desk.ts';
import type { ExperienceJoin } from './experience-join.ts';
import type { ExperienceStore, LearnCheckpoint } from './experience-store.ts';
import type { LearnersInHand } from './learners-in-hand.ts';
import type { ModelBoard } from './model-board.ts';
import { readBack, restoreLearners } from './restore-learners.ts';
import type { Offsets } from './restore-learners.ts';

export interface RestoreRoleDeps {
  readonly log: EventLog;
  readonly blobs: FeatureStore['blobs'];
  readonly dir: string;
  readonly rows: ExperienceStore;
  readonly desk: ExperienceDesk;
  readonly join: ExperienceJoin;
  /** Has read all that the log tells. */
  readonly board: ModelBoard;
  readonly learners: LearnersInHand;
  readonly createLearner: (loop: string) => Learner | Promise<Learner>;
  readonly restoreLearner: (bytes: Uint8Array) => Learner | Promise<Learner>;
  /** Blobs of which the log speaks, among those that an earlier life was about to put. */
  readonly named: ReadonlySet<string>;
  readonly clock: Clock;
  readonly ttlDays: number;
  readonly logger: Logger;
}

/** The catalog's model of the encoder before, which steps back, and why. */
export interface Deposed {
  readonly version: string;
  readonly note: string;
}

export interface RestoredRole {
  /** Of the last checkpoint; 0: there is none. */
  readonly sequence: number;
  readonly offsets: Offsets;
  /** Records that the log dropped before they were learned. */
  readonly missed: number;
  readonly deposed: Deposed | null;
}

export const restoreRole = async (deps: RestoreRoleDeps): Promise<RestoredRole> => {
  const { log, rows, desk, join, board, learners, logger } = deps;
  const saved = rows.checkpoint();
  if (saved === null) rows.clear();
  const restored = await restoreLearners(deps, saved, board.shared);
  for (const { learner, watermark, challenger } of restored.learners) {
    if (challenger) {
      const { posteriorUntil } = board.posted(learner.loop, learner.version).origin;
      learners.challengers.set(learner.version, caughtUpChallenger(learner, watermark, posteriorUntil));
    } else learners.keep(learner, watermark);
  }
  if (restored.missed > 0)
    logger.warn(
      { records: restored.missed },
      'the log no longer reaches back to what was learned last; these decisions and rewards are never learned from',
    );
  if (restored.from === 'shared checkpoint') {
    await readBack({ log, clock: deps.clock, ttlDays: deps.ttlDays }, restored.offsets, async (record) => {
      await join.rebuild(record).catch((error: unknown) => {
        if ((error as { code?: string }).code !== 'record.unreadable') throw error;
      });
      if (desk.size > MAX_IN_HAND) await rows.commit({ ...desk.take(), checkpoint: null });
    });
  }
  adoptSuperseded(deps, saved);
  const { offsets, missed } = restored;
  return { sequence: saved?.sequence ?? 0, offsets, missed, deposed: await renewCatalogsLearner(deps) };
};

/** What an earlier life removed is no longer to be removed; what it intended belongs to nobody. */
const adoptSuperseded = ({ rows, board, named, clock }: RestoreRoleDeps, saved: LearnCheckpoint | null): void => {
  const since = (saved?.atMs ?? 0) - MINUTE_MS;
  for (const { blob, atMs } of board.superseded()) if (atMs < since) board.removed(blob);
  for (const entry of saved?.superseded ?? []) board.supersede({ ...entry, kind: entry.kind ?? 'snapshot' });
  for (const intended of rows.intended()) if (!named.has(intended.blob)) board.supersede({ ...intended, atMs: clock() });
};

/** Statistics of another encoder than today's are learned again from the rows. */
const renewCatalogsLearner = async ({ rows, desk, join, learners, createLearner, logger }: RestoreRoleDeps): Promise<Deposed | null> => {
  const fresh = await createLearner('');
  const before = learners.own.get('');
  if (before?.learner.version === fresh.version) return null;
  const slot = learners.keep(fresh, before?.watermark);
  if (before === undefined) return null;
  if (desk.size > 0) await rows.commit({ ...desk.take(), checkpoint: null });
  const learnt = await join.relearn(fresh, rows.scan());
  const note = `attune: the encoder changed; learned again from ${learnt} rows`;
  slot.note = note;
  logger.info(
    { from: before.learner.version, to: fresh.version, rows: learnt },
    'the encoder changed: a new model version learned from the kept rows',
  );
  return { version: before.learner.version, note };
};
