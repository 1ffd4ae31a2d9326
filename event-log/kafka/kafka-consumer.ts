/** A consumer: a member of its group, with a worker for each partition number that the group gives it. */
import type { Topic } from '#contracts';
import { sleep } from '../backoff.ts';
import type { ConsumeOptions, Consumer } from '../port.ts';
import type { Cluster } from './cluster.ts';
import { Committer } from './committer.ts';
import { Fetcher } from './fetcher.ts';
import { GroupMember } from './group-member.ts';
import type { Reader } from './reader.ts';
import { LOST, workThroughPartition, type WorkerDeps } from './worker.ts';

export interface KafkaConsumerDeps {
  readonly openCluster: () => Cluster;
  readonly sharedCluster: Cluster;
  readonly reader: Reader;
  readonly topicPrefix: string;
  readonly partitions: number;
  readonly partitionsOf: (topic: Topic) => number;
  readonly sessionTimeoutMs: number;
  readonly heartbeatMs: number;
}

interface Worker {
  readonly cancel: AbortController;
  readonly done: Promise<void>;
}

/** How long a rebalance waits for batches in hand, and a stop for the last commits. */
const GRACE_MS = 3_000;
const LONG_MS = 2 ** 31 - 1;

export class KafkaConsumer implements Consumer {
  readonly #member: GroupMember;
  readonly #fetcher: Fetcher;
  readonly #committer: Committer;
  readonly #workerDeps: WorkerDeps;
  readonly #workers = new Map<number, Worker>();
  readonly #atWork = new Set<Promise<unknown>>();
  #gate: PromiseWithResolvers<void> | null = null;
  #stopping: Promise<void> | null = null;
  #rewinding: Promise<void> = Promise.resolve();

  constructor(deps: KafkaConsumerDeps, options: ConsumeOptions) {
    const groupId = `${deps.topicPrefix}${options.group}`;
    const onError = (error: unknown): void => options.onError?.(error, { partition: -1, records: [] });
    this.#fetcher = new Fetcher({ cluster: deps.openCluster(), reader: deps.reader, onError });
    this.#committer = new Committer((offsets) => this.#member.commit(offsets), options.holdCommitsMs ?? 0);
    this.#workerDeps = {
      options,
      groupId,
      topicPrefix: deps.topicPrefix,
      partitionsOf: deps.partitionsOf,
      reader: deps.reader,
      fetcher: this.#fetcher,
      committer: this.#committer,
      mayBegin: (cancelled) => this.#mayBegin(cancelled),
      atWork: this.#atWork,
    };
    this.#member = new GroupMember({
      cluster: deps.openCluster(),
      otherCluster: deps.sharedCluster,
      groupId,
      kafkaTopics: options.topics.map((topic) => `${deps.topicPrefix}${topic}`),
      partitions: deps.partitions,
      sessionTimeoutMs: deps.sessionTimeoutMs,
      heartbeatMs: deps.heartbeatMs,
      onAssigned: (partitions) => this.#takeOver(partitions),
      onRebalance: () => this.#pause(),
      onLost: () => this.#takeOver([]),
      onError,
    });
  }

  assigned(): readonly number[] {
    return [...this.#workers].flatMap(([partition, { cancel }]) => (cancel.signal.aborted ? [] : [partition]));
  }

  rewind(): Promise<void> {
    this.#rewinding = this.#rewinding.then(() => this.#rewind());
    return this.#rewinding;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#open();
    const workers = [...this.#workers.values()];
    for (const { cancel } of workers) cancel.abort();
    await Promise.all(workers.map(({ done }) => done));
    await this.#rewinding;
    this.#committer.drop();
    await this.#committer.settle(GRACE_MS);
    this.#committer.close();
    await Promise.all([this.#member.leave(), this.#fetcher.stop()]);
    this.#workers.clear();
  }

  /** Between being asked to join anew and knowing the new share: no batch begins, so that none is in hand when its partition moves. */
  async #pause(): Promise<void> {
    if (this.#stopping !== null) return;
    this.#gate ??= Promise.withResolvers<void>();
    await Promise.race([Promise.allSettled(this.#atWork), new Promise((resolve) => setTimeout(resolve, GRACE_MS).unref())]);
    // Every worker that just finished has yet to say what it reached.
    await new Promise((resolve) => setImmediate(resolve));
    await this.#committer.settle(GRACE_MS);
  }

  async #mayBegin(cancelled: AbortSignal): Promise<void> {
    if (this.#gate === null || cancelled.aborted) return;
    const wanted = new AbortController();
    const either = AbortSignal.any([cancelled, wanted.signal]);
    const gate = this.#gate.promise.finally(() => wanted.abort());
    await Promise.race([gate, sleep(LONG_MS, either)]);
  }

  #open(): void {
    this.#gate?.resolve();
    this.#gate = null;
  }

  #takeOver(partitions: readonly number[]): void {
    for (const [partition, worker] of this.#workers) {
      if (partitions.includes(partition) || worker.cancel.signal.aborted) continue;
      worker.cancel.abort(LOST);
      this.#committer.disown(partition);
      void worker.done.finally(() => this.#workers.get(partition) === worker && this.#workers.delete(partition));
    }
    this.#open();
    if (this.#stopping === null) for (const partition of partitions) this.#start(partition);
  }

  #start(partition: number): void {
    const before = this.#workers.get(partition);
    if (before !== undefined && !before.cancel.signal.aborted) return;
    const cancel = new AbortController();
    const done = this.#startAfter(before?.done ?? Promise.resolve(), partition, cancel.signal);
    this.#workers.set(partition, { cancel, done });
  }

  /** The partition came back while its last batch was still at work. */
  async #startAfter(before: Promise<void>, partition: number, cancelled: AbortSignal): Promise<void> {
    await before;
    await workThroughPartition(this.#workerDeps, partition, cancelled);
  }

  async #rewind(): Promise<void> {
    const workers = [...this.#workers].filter(([, { cancel }]) => !cancel.signal.aborted);
    for (const [, { cancel }] of workers) cancel.abort();
    await Promise.all(workers.map(([, { done }]) => done));
    for (const [partition] of workers) this.#committer.drop(partition);
    await this.#committer.settle(GRACE_MS);
    for (const [partition, worker] of workers) {
      // A partition that was let go meanwhile is another's.
      if (this.#stopping !== null || this.#workers.get(partition) !== worker) continue;
      this.#workers.delete(partition);
      this.#start(partition);
    }
  }
}
