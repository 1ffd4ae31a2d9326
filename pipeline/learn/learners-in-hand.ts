/** The learners at work in this process: each loop's own, and the challengers that learn beside them. */
import type { DriftWatch, Learner } from '#models';
import type { CatchingUpChallenger, Challenger } from './challenger.ts';
import { slotFor } from './learner-slot.ts';
import type { LearnerSlot } from './learner-slot.ts';

export interface LearnersInHand {
  /** By loop. */
  readonly own: ReadonlyMap<string, LearnerSlot>;
  /** By version: trained trunks that learn beside the loops' own learners, as challengers or as champions. */
  readonly challengers: Map<string, Challenger | CatchingUpChallenger>;
  /** From now on the loop's own. */
  keep(learner: Learner, watermark?: number): LearnerSlot;
  /** Makes one for a new loop; null when there are too many. */
  slotOf(loop: string): Promise<LearnerSlot | null>;
  /** Who else learns of this decision now. */
  challengersOf(loop: string, decisionId: string): readonly LearnerSlot[];
  /** Challengers that hold all that their loop's own learner does. */
  caughtUp(): readonly LearnerSlot[];
  /** What is published and kept in checkpoints: the loops' own first, then the challengers that have caught up. */
  all(): readonly LearnerSlot[];
  /** Of the loops' own. */
  experiences(): number;
}

export interface LearnersInHandDeps {
  readonly createLearner: (loop: string) => Learner | Promise<Learner>;
  /** Null: nobody watches. */
  readonly createDriftWatch: () => DriftWatch | null;
  /** Of the callers' own candidates. */
  readonly maxLoops: number;
}

export const createLearnersInHand = ({ createLearner, createDriftWatch, maxLoops }: LearnersInHandDeps): LearnersInHand => {
  const own = new Map<string, LearnerSlot>();
  const challengers = new Map<string, Challenger | CatchingUpChallenger>();
  const keep = (learner: Learner, watermark = 0): LearnerSlot => {
    const slot = slotFor(learner, watermark, createDriftWatch());
    own.set(learner.loop, slot);
    return slot;
  };
  const caughtUp = (): LearnerSlot[] => [...challengers.values()].flatMap((one) => (one.caughtUp ? [one.slot] : []));

  return {
    own,
    challengers,
    keep,
    caughtUp,
    async slotOf(loop) {
      const slot = own.get(loop);
      if (slot !== undefined) return slot;
      if (own.size > maxLoops) return null;
      const learner = await createLearner(loop);
      // Two partitions may ask at once; the first one's learner stays.
      return own.get(loop) ?? keep(learner);
    },
    challengersOf(loop, decisionId) {
      if (challengers.size === 0) return [];
      return [...challengers.values()].flatMap((one) => (one.slot.learner.loop === loop && one.hasReached(decisionId) ? [one.slot] : []));
    },
    all: () => [...own.values(), ...caughtUp()],
    experiences: () => [...own.values()].reduce((sum, { learner }) => sum + learner.experiences, 0),
  };
};
