/** What waits to be written to one partition, and the one batch of it that is numbered and on its way. */
import type { Topic } from '#contracts';
import type { Position } from '../port.ts';

export interface Call {
  readonly deadlineMs: number;
  readonly positions: Position[];
  /** Records without a position yet. */
  missing: number;
  isOver: boolean;
  readonly settled: Promise<unknown>;
  readonly resolve: (positions: readonly Position[]) => void;
  readonly reject: (error: unknown) => void;
}

export interface Item {
  readonly call: Call;
  readonly index: number;
  readonly key: Buffer | null;
  readonly value: Buffer;
}

/** Whom Kafka numbers batches by. */
export interface Producer {
  readonly id: string;
  readonly epoch: number;
}

export interface Batch {
  readonly items: readonly Item[];
  readonly bytes: number;
  readonly producer: Producer;
  readonly firstSequence: number;
  wasSent: boolean;
}

/** Below Kafka's default of 1,048,588 for a batch; a record that is larger alone goes alone. */
const BATCH_BYTES = 900_000;
const RECORD_OVERHEAD_BYTES = 32;
/** Kafka counts to 2^31 - 1, and goes on with 0. */
const SEQUENCES = 2 ** 31;
const FIRST_BACKOFF_MS = 20;
const LAST_BACKOFF_MS = 1_000;

export class OutQueue {
  readonly topic: Topic;
  readonly kafkaTopic: string;
  readonly partition: number;
  waiting: Item[] = [];
  inHand: Batch | null = null;
  leader: number | null = null;
  isBusy = false;
  lastError: unknown = null;
  #producer: Producer | null = null;
  #nextSequence = 0;
  #limitBytes = BATCH_BYTES;
  #backoffMs = FIRST_BACKOFF_MS;
  #notBeforeMs = 0;

  constructor(topic: Topic, kafkaTopic: string, partition: number) {
    this.topic = topic;
    this.kafkaTopic = kafkaTopic;
    this.partition = partition;
  }

  isReady(nowMs: number): boolean {
    return !this.isBusy && nowMs >= this.#notBeforeMs && (this.inHand !== null || this.waiting.length > 0);
  }

  /** The batch in hand again, else the next one. */
  take(producer: Producer): Batch | null {
    this.inHand ??= this.#number(producer);
    return this.inHand;
  }

  succeed({ items, firstSequence }: Batch): void {
    this.#nextSequence = (firstSequence + items.length) % SEQUENCES;
    this.inHand = null;
    this.lastError = null;
    this.#backoffMs = FIRST_BACKOFF_MS;
    this.#notBeforeMs = 0;
    this.#limitBytes = BATCH_BYTES;
  }

  discard(batch: Batch): void {
    this.#nextSequence = batch.firstSequence;
    this.inHand = null;
  }

  /** Kafka takes no batch of this size: half of it. */
  split(batch: Batch): void {
    this.#limitBytes = batch.bytes / 2;
    this.discard(batch);
    this.waiting.unshift(...batch.items);
  }

  /** The numbers are of no use any more: the batch in hand gets new ones from another producer. */
  unnumber(): void {
    this.#producer = null;
    if (this.inHand !== null) this.waiting.unshift(...this.inHand.items);
    this.inHand = null;
  }

  /** Returns for how long. */
  backOff(nowMs: number): number {
    const backoffMs = this.#backoffMs;
    this.#notBeforeMs = nowMs + backoffMs;
    this.#backoffMs = Math.min(2 * backoffMs, LAST_BACKOFF_MS);
    return backoffMs + 1;
  }

  /** Forgets records for which nobody waits. True: some of them may have been written. */
  dropAbandoned(): boolean {
    this.waiting = this.waiting.filter(({ call }) => !call.isOver);
    const batch = this.inHand;
    if (batch === null || this.isBusy || batch.items.some(({ call }) => !call.isOver)) return false;
    this.inHand = null;
    if (batch.wasSent) this.#producer = null;
    return batch.wasSent;
  }

  #number(producer: Producer): Batch | null {
    if (this.#producer !== producer) this.#nextSequence = 0;
    this.#producer = producer;
    let bytes = 0;
    let count = 0;
    for (; count < this.waiting.length; count += 1) {
      const { key, value } = this.waiting[count]!;
      const size = (key?.length ?? 0) + value.length + RECORD_OVERHEAD_BYTES;
      if (count > 0 && bytes + size > this.#limitBytes) break;
      bytes += size;
    }
    if (count === 0) return null;
    const items = this.waiting.splice(0, count);
    return { items, bytes, producer, firstSequence: this.#nextSequence, wasSent: false };
  }
}
