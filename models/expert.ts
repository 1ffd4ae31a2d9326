/** One of several learners of the same loop, of which the one that predicts best speaks. */
import type { Experience } from '#contracts';

export interface Expert {
  readonly experiences: number;
  readonly effectiveN: number;
  /** Whether it can speak yet. */
  readonly ready: boolean;
  /** Of the newest call of learnShown or correct: the target less what was expected before it. */
  readonly lastError: number;
  learnShown(experience: Experience, target: number): void;
  correct(experience: Experience, oldTarget: number, newTarget: number | null): void;
  checkpoint(): Uint8Array;
}
