/** The consumer group of a learner: no two may share one, since each reads everything. */
import type { LearnerHome } from './learner-home.ts';

export type HomeOfLearner = Pick<LearnerHome, 'id' | 'number'>;

/** For a log that only one machine reads: what the first home has not read, the log keeps (REQUIRED_GROUPS). */
export const groupOfHome = ({ number }: HomeOfLearner): string => (number === 1 ? 'learn' : `learn-${number}`);
/** For a log that many machines read. Anew at each start: the group of a killed process keeps its partitions until the broker misses it. */
export const groupOfStart = ({ id }: HomeOfLearner): string => `learn.${id}.${Date.now().toString(36)}`;
