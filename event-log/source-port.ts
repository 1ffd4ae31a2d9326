/** The port to the operator's own topics: Attune reads them in a consumer group, and never writes them. */

export interface SourceRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** ms since 1970 UTC, as the brokers say. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  /** Null: a tombstone of a compacted topic. */
  readonly value: Buffer | null;
  /** As text; the last one of a name. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface SourceBatch {
  readonly topic: string;
  /** Names the topic's life: another one after it was deleted and made again. */
  readonly topicId: string;
  readonly partition: number;
  /** In offset order. */
  readonly records: readonly SourceRecord[];
  /** How many records of the partition come after these. */
  readonly lag: number;
}

export interface ConsumeSourceOptions {
  readonly group: string;
  readonly topic: string;
  /** Where a group begins that has committed nothing. */
  readonly from: 'earliest' | 'latest';
  /** Upper bound of records in a batch. Default 1,000. */
  readonly maxRecords?: number;
  /**
   * At least once, one batch of a partition at a time: its offsets are committed after this resolves. If it rejects, the same records come
   * again, after a backoff, before any later one of the partition.
   */
  readonly onBatch: (batch: SourceBatch) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

export interface SourceConsumer {
  /** Ends the batches in hand, leaves the group. Safe to call twice. */
  stop(): Promise<void>;
}

export interface TopicDescription {
  readonly topicId: string;
  readonly partitions: number;
  /** Records that the group has not committed; null: it never committed anything. */
  readonly lag: number | null;
}

export interface SourceLog {
  /** Starts by itself, and again after faults, which `onError` is told of. */
  consume(options: ConsumeSourceOptions): SourceConsumer;
  /** Null: there is no such topic, or it may not be seen. Rejects with EngineUnavailable. */
  describe(topic: string, group: string): Promise<TopicDescription | null>;
  /** Safe to call twice. */
  close(): Promise<void>;
}
