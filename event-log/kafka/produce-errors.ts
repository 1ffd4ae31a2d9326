/** What to do about a batch that a broker did not take, by Kafka's name of the error. */

/**
 * `again`: the same batch under the same number; `newProducer`: Kafka lost count, numbers begin anew; `smaller`: in parts; `refused`: it never will.
 */
export type ProduceRemedy = 'again' | 'newProducer' | 'smaller' | 'refused';

const LOST_COUNT = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'UNKNOWN_PRODUCER_ID',
  'PRODUCER_FENCED',
]);
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);
const NEVER = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'INVALID_REQUIRED_ACKS',
  'INVALID_TIMESTAMP',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  'POLICY_VIOLATION',
  'INVALID_TOPIC_EXCEPTION',
]);

/** An unknown error is tried again: the deadline of the append bounds it. */
export function answerTo(type: string): ProduceRemedy {
  if (LOST_COUNT.has(type)) return 'newProducer';
  if (TOO_LARGE.has(type)) return 'smaller';
  return NEVER.has(type) ? 'refused' : 'again';
}
