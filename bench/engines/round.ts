/** What the pipeline benchmark and its two consumers, the state role and the floor, say to each other. */
export interface ConsumerStart {
  readonly brokers: readonly string[];
  readonly redisUrl: string;
  readonly partitions: number;
  /** Of a customer's record in Redis. */
  readonly valueBytes: number;
}

export interface Round {
  /** New records since the round before. */
  readonly events: number;
  /** Whose record each is, by partition and offset from the beginning: the floor knows it without reading. */
  readonly targets: readonly Uint32Array[];
}

export interface ConsumerAnswer {
  /** From the first batch's arrival to the last one's commit. */
  readonly ms: number;
  /** Customers written. */
  readonly writes: number;
  /** Of the whole process in that time. */
  readonly cpuMs: number;
}
