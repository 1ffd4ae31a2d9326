/** The topics of the event log; only Attune writes them. */
export const TOPICS = {
  events: 'attune.events',
  decisions: 'attune.decisions',
  outcomes: 'attune.outcomes',
  rewards: 'attune.rewards',
  communications: 'attune.communications',
  deadLetters: 'attune.dead-letters',
  models: 'attune.models',
  controls: 'attune.controls',
  erasures: 'attune.erasures',
} as const;

export type Topic = (typeof TOPICS)[keyof typeof TOPICS];

/** The newest record of each key is kept for ever; all others are kept by age. */
export const COMPACTED_TOPICS: readonly Topic[] = [TOPICS.models, TOPICS.controls, TOPICS.erasures];

/**
 * The inputs of the customer's state, in the order of its position vector. Append only: the order is part of the state's codec.
 */
export const STATE_INPUTS: readonly Topic[] = [TOPICS.events, TOPICS.decisions, TOPICS.outcomes, TOPICS.communications];
