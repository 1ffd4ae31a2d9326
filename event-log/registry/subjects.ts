/** Names and rule of Attune's subjects in the registry. */
import type { Topic } from '#contracts';

/**
 * FULL_TRANSITIVE: in a rolling upgrade old processes read new records, and the log holds records of every version for weeks. So
 * fields come and go with defaults only.
 */
export const COMPATIBILITY = 'FULL_TRANSITIVE';

/** TopicNameStrategy: a topic of Attune carries one type of record. */
export const subjectOf = (topicPrefix: string, topic: Topic): string => `${topicPrefix}${topic}-value`;
