/** Decisions of a batch say so: their caller delivers them, and the gate makes no messages of them. */
import type { Decision } from '#contracts';

const BATCH = 'batch';

/** @param segmentId null: the batch was of no segment */
export const causeOfBatch = (segmentId: string | null): string => (segmentId === null ? BATCH : `${BATCH}:${segmentId}`);

export const isOfBatch = ({ cause = '' }: Pick<Decision, 'cause'>): boolean => cause === BATCH || cause.startsWith(`${BATCH}:`);
