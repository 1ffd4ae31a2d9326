/** One loop's learner, and how far what it learned was published. */
import type { DriftWatch, Learner } from '#models';

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
  /** When it last could not be published or solved for; 0: it could. */
  failedAt: number;
  /** Null: nobody watches. */
  readonly drift: DriftWatch | null;
  /** For the next record: why it became the champion. */
  note: string;
}

export const slotFor = (learner: Learner, watermark = 0, drift: DriftWatch | null = null): LearnerSlot => ({
  learner,
  drift,
  watermark,
  dirty: true,
  unsolved: true,
  publishedAt: 0,
  solvedAt: 0,
  publishMs: 0,
  failedAt: 0,
  note: '',
});
