/** The event log's port: what Attune asks of any log (LMDB embedded, Kafka in production). */
import type { Topic } from '#contracts';

export interface AppendRecord {
  readonly topic: Topic;
  /** 16 bits; the partition is shard mod partitions. */
  readonly shard: number;
  /** Required on compacted topics; the newest record of a key survives. */
  readonly key?: Uint8Array;
  readonly value: Uint8Array;
}

export interface Position {
  readonly topic: Topic;
  readonly partition: number;
  /** Dense from 0 within a topic's partition (Kafka may leave gaps); always growing. */
  readonly offset: number;
}

export interface LogRecord extends Position {
  /** When the log took it, ms since 1970 UTC; never falls within a partition. */
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  /** The receiver's own: it stays valid after the batch. */
  readonly value: Buffer;
}

export interface Batch {
  readonly partition: number;
  /** Of one partition number, all topics of the subscription; in offset order within each topic, merged by timestamp. */
  readonly records: readonly LogRecord[];
}

export interface ConsumeOptions {
  readonly group: string;
  readonly topics: readonly Topic[];
  /** Upper bound of records in a batch. Default 1,000. */
  readonly maxRecords?: number;
  /** Where a group without committed offsets begins. Default 'earliest'. */
  readonly from?: 'earliest' | 'latest';
  /**
   * Where to begin instead of the committed offset (a consumer that keeps its offsets with its effects). Null: the committed one.
   */
  readonly startAt?: (topic: Topic, partition: number) => Promise<number | null> | number | null;
  /**
   * At least once: the offsets of a batch are committed after this resolves. If it rejects, the same batch comes again after a
   * backoff (200 ms doubling to 10 s), and the partition waits; other partitions go on.
   */
  readonly onBatch: (batch: Batch) => Promise<void>;
  readonly onError?: (error: unknown, batch: Batch) => void;
  /**
   * Default 0. The offsets of a batch are committed only this long after `onBatch` resolved, and `stop` leaves uncommitted what is
   * younger: for effects in a store that may lose its last moments, so that a restart or `rewind` brings their causes again.
   */
  readonly holdCommitsMs?: number;
}

export interface Consumer {
  /** The partition numbers that this member works on at this moment. */
  assigned(): readonly number[];
  /**
   * The effects of the last `holdCommitsMs` may be gone: waits until the batches in hand have ended, well or not, forgets what was
   * delivered and not committed, and begins again where a restart would. Resolves when no batch from before is at work.
   */
  rewind(): Promise<void>;
  /** Finishes the batches in hand, commits, and returns. Safe to call twice. */
  stop(): Promise<void>;
}

/** Follows compacted topics from their beginning in every process (no group, no commits): models, controls, erasures. */
export interface Follower extends Pick<Consumer, 'stop'> {
  /** Resolves once everything that the topics held when it began has been delivered. */
  readonly caughtUp: Promise<void>;
}

export interface TopicPartitionOffsets {
  /** Oldest readable offset. */
  readonly first: number;
  /** The offset that the next record will get. */
  readonly next: number;
}

export interface EventLog {
  /** Names this log's life: a new one (restored, recreated, repartitioned) makes every position vector of old void. A positive integer below 2^31. */
  readonly epoch: number;
  readonly partitions: number;
  /**
   * When this life began, ms since 1970 UTC, where it continues one of fewer partitions: what the log took before lies by their number, in
   * another partition than what the same customer does now. Absent: there was none before.
   */
  readonly raisedAtMs?: number | undefined;
  /** Numbers of partitions before that, newest first: what was appended under them is read where they put it. */
  readonly formerPartitions?: readonly number[] | undefined;

  /**
   * Resolves when every record is durable, with its position, in the order given (law 3). Records of one call that share a topic
   * and partition keep their order. Rejects with EngineUnavailable when the log cannot promise that; the records may then be there or not.
   */
  append(records: readonly AppendRecord[]): Promise<readonly Position[]>;

  /**
   * As durable as law 3 asks, soonest: resolves when the death of this process cannot lose the records (the machine's death may,
   * within 50 ms), although the log shows them to readers some milliseconds later, after what this process sent before and before what
   * it sends afterwards. `append([])` resolves when they can be read. Absent where `append` is the only way.
   */
  accept?(records: readonly AppendRecord[]): Promise<void>;

  /** At most `maxRecords` from `offset` on, empty at the end; an offset below the first readable one starts at the first. */
  read(topic: Topic, partition: number, offset: number, maxRecords: number): Promise<readonly LogRecord[]>;

  offsets(topic: Topic, partition: number): Promise<TopicPartitionOffsets>;

  /** The first offset whose record was taken at or after `timeMs`; `next` when there is none. */
  offsetAt(topic: Topic, partition: number, timeMs: number): Promise<number>;

  /** Starts at once. Processes that share a group share its partitions: a worker has the same partition numbers of all topics. */
  consume(options: ConsumeOptions): Consumer;

  /** Delivers every surviving record of each topic, oldest first, then new ones as they come (within 250 ms). */
  follow(topics: readonly Topic[], onRecord: (record: LogRecord) => void): Follower;

  /** What the group has committed: the next offset to read, null when it never committed. */
  committed(group: string, topic: Topic, partition: number): Promise<number | null>;

  /** Records that the group has not yet committed, over all partitions of the topics. */
  lag(group: string, topics: readonly Topic[]): Promise<number>;

  /**
   * Drops records older than `maxAgeMs`, never past a required group's committed offset; compacts compacted topics, where the engine does
   * not do that in its own time. Returns how many went.
   */
  retain(options: {
    nowMs: number;
    maxAgeMs: number;
    requiredGroups: readonly { group: string; topics: readonly Topic[] }[];
  }): Promise<number>;

  /** Waits for appends in hand. Safe to call twice. */
  close(): Promise<void>;
}
