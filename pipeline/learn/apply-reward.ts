/** One reward meets its row: shown once, corrected as often as its target changes, and nothing when it was heard before. */
import type { Reward } from '#contracts';
import type { Experience } from '#contracts';
import type { Learner } from '#models';
import type { LearnedRow } from './experience-store.ts';

export type Learned = 'learned' | 'corrected' | 'unchanged' | 'repeated' | 'unjoinable';

/** Rewards are absolute: only the newest revision counts, whatever came between. */
export const noteReward = (rows: Map<number, LearnedRow>, reward: Pick<Reward, 'rank' | 'revision' | 'target'>): boolean => {
  const before = rows.get(reward.rank);
  if (before !== undefined && before.revision >= reward.revision) return false;
  rows.set(reward.rank, { revision: reward.revision, target: reward.target, learned: before?.learned ?? null });
  return true;
};

/** Brings the learner from what it holds of the row to what the row says. */
export const learnRow = (
  rows: Map<number, LearnedRow>,
  rank: number,
  learner: Pick<Learner, 'learnShown' | 'correct'>,
  experienceOf: () => Experience | null,
): Learned => {
  const row = rows.get(rank);
  if (row === undefined || row.target === row.learned) return 'unchanged';
  const experience = experienceOf();
  if (experience === null) return 'unjoinable';
  if (row.learned === null) learner.learnShown(experience, row.target!);
  else learner.correct(experience, row.learned, row.target);
  rows.set(rank, { ...row, learned: row.target });
  return row.learned === null ? 'learned' : 'corrected';
};
