/** When each learner's means are solved for: published by the one in office, quietly by a standby. */
import type { Clock } from '#contracts';
import type { LearnerSlot } from './learner-slot.ts';
import type { LearnersInHand } from './learners-in-hand.ts';
import type { ModelBoard } from './model-board.ts';
import type { Publisher } from './publisher.ts';

export interface PublishingDeps {
  readonly learners: LearnersInHand;
  readonly board: Pick<ModelBoard, 'champion'>;
  readonly publisher: Pick<Publisher, 'publish' | 'hasNews'>;
  readonly clock: Clock;
  /** At most one snapshot a loop in this time. */
  readonly publishEveryMs: number;
  /** Told of each learner that could not be published or solved for. */
  readonly failed: (error: unknown, what: string, of: { readonly loop: string; readonly version: string }) => void;
}

export interface Publishing {
  /** Does not reject for a learner's sake. */
  publishDue(nowMs: number): Promise<void>;
  solveDue(nowMs: number): Promise<void>;
}

/** A tenth of the time goes to publishing, but nobody waits longer than half a second for that, unless a snapshot costs more than 250 ms. */
const intervalAfter = (publishMs: number): number => Math.max(2 * publishMs, Math.min(500, 10 * publishMs));
/** Of those that are not the champion: fresh enough to take its place at any moment. */
const RIVALS_PUBLISH_EVERY_MS = 2_000;
/** A standby solves too, although nobody sees it: means start from the last ones, and a first solution in one step would be a poor one. */
const STANDBY_SOLVES_EVERY_MS = 2_000;
const AFTER_FAILURE_MS = 500;

export const createPublishing = ({ learners, board, publisher, clock, publishEveryMs, failed }: PublishingDeps): Publishing => {
  const everyMsOf = ({ learner: { loop, version }, publishMs }: LearnerSlot): number => {
    const everyMs = board.champion(loop) === version ? publishEveryMs : Math.max(publishEveryMs, RIVALS_PUBLISH_EVERY_MS);
    return Math.max(everyMs, intervalAfter(publishMs));
  };
  const isDue = (slot: LearnerSlot, nowMs: number): boolean => {
    const everyMs = everyMsOf(slot);
    return slot.dirty && nowMs - slot.publishedAt >= everyMs && nowMs - slot.failedAt >= Math.max(everyMs, AFTER_FAILURE_MS);
  };

  /** False: it failed, and is reported. */
  const tryOn = async (slot: LearnerSlot, what: string, task: () => Promise<void> | void): Promise<boolean> => {
    try {
      await task();
      slot.failedAt = 0;
      return true;
    } catch (error) {
      slot.failedAt = clock();
      const { loop, version } = slot.learner;
      failed(error, `a learner could not be ${what}; it is tried again when it is next due`, { loop, version });
      return false;
    }
  };

  return {
    /**
     * One that fails is tried again when it is next due. The others come at the next tick, the longest waiting first, behind the checkpoint:
     * where the engines do not answer, that waits for one publication and not for one a loop.
     */
    async publishDue(nowMs) {
      if (publisher.hasNews) learners.own.get('')!.dirty = true;
      const due = learners.all().filter((slot) => isDue(slot, nowMs));
      for (const slot of due.toSorted((a, b) => lastTried(a) - lastTried(b)))
        if (!(await tryOn(slot, 'published', () => publisher.publish(slot)))) return;
    },
    async solveDue(nowMs) {
      for (const slot of learners.all()) {
        const everyMs = Math.max(STANDBY_SOLVES_EVERY_MS, 10 * slot.publishMs);
        if (slot.unsolved && nowMs - Math.max(slot.solvedAt, slot.failedAt) >= everyMs)
          await tryOn(slot, 'solved for', () => solve(slot, nowMs));
      }
    },
  };
};

const lastTried = ({ publishedAt, failedAt }: LearnerSlot): number => Math.max(publishedAt, failedAt);

const solve = (slot: LearnerSlot, nowMs: number): void => {
  const startMs = performance.now();
  slot.learner.publish();
  slot.unsolved = false;
  slot.solvedAt = nowMs;
  slot.publishMs = performance.now() - startMs;
};
