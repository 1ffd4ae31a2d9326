/** One loop's learner, and how far what it learned was published. */
import type { Learner } from '#models';

export interface LearnerSlot {
  readonly learner: Learner;
  /** Newest reward's append time that it has learned from. */
  watermark: number;
  /** Learned since the last snapshot that was announced. */
  dirty: boolean;
  /** Learned since the means were last solved for. */
  unsolved: boolean;
  publishedAt: number;
  solvedAt: number;
  publishMs: number;
  /** For the next record: why it became the champion. */
  note: string;
}

export const slotFor = (learner: Learner, watermark = 0): LearnerSlot => ({
  learner,
  watermark,
  dirty: true,
  unsolved: true,
  publishedAt: 0,
  solvedAt: 0,
  publishMs: 0,
  note: '',
});
