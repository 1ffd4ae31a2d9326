/** Keeps queues filled: one fetch at a time to each broker, for all partitions that it leads and that have room. */
import type { LogRecord } from '../port.ts';
import { sleep } from '../backoff.ts';
import type { Cluster } from './cluster.ts';
import type { FetchedPartition } from './decode-fetch.ts';
import { fetchFrom } from './fetch.ts';
import type { InQueue } from './in-queue.ts';
import { errorOfCode } from './kafkajs-insides.ts';
import { OFFSET_OUT_OF_RANGE, type Reader } from './reader.ts';

export interface FetcherDeps {
  /** Of this fetcher alone: a fetch waits in the broker for records. */
  readonly cluster: Cluster;
  readonly reader: Reader;
  readonly onError: (error: unknown) => void;
}

const MAX_WAIT_MS = 250;
/** While some queue is full it is left out, and should not be for long. */
const SHORT_WAIT_MS = 20;
const MAX_BYTES = 8_000_000;
const MAX_BYTES_PER_PARTITION = 1_000_000;
const PAUSE_MS = 100;

export class Fetcher {
  readonly #deps: FetcherDeps;
  readonly #queues = new Set<InQueue>();
  readonly #loops = new Map<number, Promise<void>>();
  readonly #locating = new Set<Promise<void>>();
  readonly #stopped = new AbortController();

  constructor(deps: FetcherDeps) {
    this.#deps = deps;
  }

  add(queue: InQueue): void {
    this.#queues.add(queue);
    this.#locate(queue);
  }

  remove(queue: InQueue): void {
    this.#queues.delete(queue);
  }

  /** Call it when a full queue has room again. */
  wake(queue: InQueue): void {
    if (queue.leader !== null && this.#queues.has(queue)) this.#startLoop(queue.leader);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#queues.clear();
    await this.#deps.cluster.close();
    await Promise.all([...this.#loops.values(), ...this.#locating]);
  }

  #locate(queue: InQueue): void {
    const locating = this.#findLeader(queue).finally(() => this.#locating.delete(locating));
    this.#locating.add(locating);
  }

  async #findLeader(queue: InQueue): Promise<void> {
    while (this.#queues.has(queue) && !this.#stopped.signal.aborted) {
      try {
        queue.leader = await this.#deps.cluster.leaderOf(queue.kafkaTopic, queue.partition);
        this.#startLoop(queue.leader);
        return;
      } catch (error) {
        this.#report(error);
        await sleep(PAUSE_MS, this.#stopped.signal);
      }
    }
  }

  #startLoop(node: number): void {
    if (this.#loops.has(node) || this.#stopped.signal.aborted) return;
    const loop = this.#loop(node).finally(() => {
      this.#loops.delete(node);
      // A queue may have come while the loop ended.
      if (this.#wanting(node).length > 0) this.#startLoop(node);
    });
    this.#loops.set(node, loop);
  }

  /** Ends when no queue of this broker wants records. */
  async #loop(node: number): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const queues = this.#wanting(node);
      if (queues.length === 0) return;
      const isSomeFull = [...this.#queues].some((queue) => queue.leader === node && queue.isFull);
      try {
        const limits = {
          maxWaitMs: isSomeFull ? SHORT_WAIT_MS : MAX_WAIT_MS,
          maxBytes: MAX_BYTES,
          maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
        };
        const targets = queues.map(({ kafkaTopic, partition, position }) => ({ kafkaTopic, partition, offset: position }));
        const answers = await fetchFrom(this.#deps.cluster, node, targets, limits);
        const byName = new Map(queues.map((queue) => [nameOf(queue.kafkaTopic, queue.partition), queue]));
        for (const answer of answers) {
          const queue = byName.get(nameOf(answer.topic, answer.partition))!;
          await this.#takeIn(queue, answer).catch((error: unknown) => this.#backOff(queue, error));
        }
      } catch (error) {
        this.#report(error);
        for (const queue of queues) this.#relocate(queue);
        await sleep(PAUSE_MS, this.#stopped.signal);
      }
    }
  }

  #wanting(node: number): InQueue[] {
    const nowMs = performance.now();
    return [...this.#queues].filter((queue) => queue.leader === node && queue.isWanting(nowMs));
  }

  /** What it could not take is fetched again; the other queues of its broker go on. */
  #backOff(queue: InQueue, error: unknown): void {
    this.#report(error);
    void sleep(queue.backOff(performance.now()), this.#stopped.signal).then(() => this.wake(queue));
  }

  async #takeIn(queue: InQueue, answer: FetchedPartition): Promise<void> {
    const { errorCode, records, next, highWatermark, fault } = answer;
    if (fault !== null) throw fault;
    if (errorCode === OFFSET_OUT_OF_RANGE) await this.#returnIntoRange(queue);
    else if (errorCode !== 0) {
      this.#report(errorOfCode(errorCode));
      this.#relocate(queue);
    } else {
      const ours: LogRecord[] = [];
      for (const record of records) ours.push(await this.#deps.reader.toLogRecord(queue.topic, queue.partition, record));
      if (this.#queues.has(queue) && (next !== null || queue.highWatermark !== highWatermark))
        queue.arrive(ours, next ?? queue.position, highWatermark);
    }
  }

  /** Retention overtook the queue, or the topic was made anew: in both cases the oldest record that is there is next. */
  async #returnIntoRange(queue: InQueue): Promise<void> {
    queue.position = (await this.#deps.reader.offsets(queue.topic, queue.partition)).first;
  }

  #relocate(queue: InQueue): void {
    if (queue.leader === null) return;
    queue.leader = null;
    this.#deps.cluster.forgetLeader(queue.kafkaTopic);
    this.#locate(queue);
  }

  #report(error: unknown): void {
    if (!this.#stopped.signal.aborted) this.#deps.onError(error);
  }
}

function nameOf(kafkaTopic: string, partition: number): string {
  return `${kafkaTopic}/${partition}`;
}
