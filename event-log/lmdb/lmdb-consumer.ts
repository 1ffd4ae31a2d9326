/** A member of a consumer group: holds leases on its share of the partitions, with a worker for each. */
import type { ConsumeOptions, Consumer } from '../port.ts';
import type { Arrivals } from './arrivals.ts';
import type { Bells } from './bells.ts';
import { Committer } from './committer.ts';
import { createMember, type Groups, type Member } from './groups.ts';
import type { Reader } from './reader.ts';
import { workThroughPartition } from './worker.ts';

export interface LmdbConsumerDeps {
  readonly reader: Reader;
  readonly groups: Groups;
  readonly arrivals: Arrivals;
  readonly bells: Bells;
}

interface Worker {
  readonly cancel: AbortController;
  readonly done: Promise<void>;
}

const HEARTBEAT_MS = 1_000;

export class LmdbConsumer implements Consumer {
  readonly #deps: LmdbConsumerDeps;
  readonly #options: ConsumeOptions;
  readonly #member: Member;
  readonly #committer: Committer;
  readonly #bell: string;
  readonly #workers = new Map<number, Worker>();
  readonly #releases = new Set<Promise<void>>();
  readonly #heartbeat: NodeJS.Timeout;
  readonly #deaf: () => void;
  #renewing: Promise<void> | null = null;
  #renewAgain = false;
  #stopping: Promise<void> | null = null;
  #rewinding: Promise<void> = Promise.resolve();

  constructor(deps: LmdbConsumerDeps, options: ConsumeOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#member = createMember(options.group);
    this.#committer = new Committer(deps.groups, this.#member, options.holdCommitsMs ?? 0);
    this.#bell = `group.${encodeURIComponent(options.group)}`;
    this.#heartbeat = setInterval(() => this.#renew(), HEARTBEAT_MS);
    this.#deaf = deps.bells.listen((name) => name === this.#bell && this.#renew());
    this.#renew();
  }

  assigned(): readonly number[] {
    return [...this.#workers].flatMap(([partition, worker]) => (worker.cancel.signal.aborted ? [] : [partition]));
  }

  rewind(): Promise<void> {
    this.#rewinding = this.#rewinding.then(() => this.#rewind());
    return this.#rewinding;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #rewind(): Promise<void> {
    const workers = [...this.#workers].filter(([, worker]) => !worker.cancel.signal.aborted);
    for (const [, worker] of workers) worker.cancel.abort();
    await Promise.all(workers.map(([, worker]) => worker.done));
    for (const [partition, worker] of workers) {
      this.#committer.drop(partition);
      // A partition that was let go meanwhile is another's.
      if (this.#stopping !== null || this.#workers.get(partition) !== worker) continue;
      this.#workers.delete(partition);
      this.#startWorker(partition);
    }
  }

  /** The heartbeat goes on until the last batch is done, so that no one else takes what is still in hand. */
  async #stop(): Promise<void> {
    this.#deaf();
    await this.#renewing;
    for (const worker of this.#workers.values()) worker.cancel.abort();
    await Promise.all([...this.#workers.values()].map((worker) => worker.done));
    await Promise.all(this.#releases);
    clearInterval(this.#heartbeat);
    await this.#renewing;
    await this.#rewinding;
    this.#committer.drop();
    await this.#committer.settle();
    await this.#deps.groups.leave(this.#member).catch(() => undefined);
    this.#ring();
  }

  #renew(): void {
    this.#renewAgain = true;
    this.#renewing ??= this.#renewLoop().finally(() => (this.#renewing = null));
  }

  async #renewLoop(): Promise<void> {
    while (this.#renewAgain) {
      this.#renewAgain = false;
      try {
        const { keep, changed } = await this.#deps.groups.renew(this.#member, new Set(this.#workers.keys()));
        for (const partition of this.#workers.keys()) if (!keep.has(partition)) this.#letGo(partition);
        if (this.#stopping === null) for (const partition of keep) this.#startWorker(partition);
        if (changed) this.#ring();
      } catch {
        // The environment failed for now: leases live for three heartbeats, and the next one tries again.
        return;
      }
    }
  }

  #startWorker(partition: number): void {
    if (this.#workers.has(partition)) return;
    const cancel = new AbortController();
    const deps = { ...this.#deps, committer: this.#committer, options: this.#options };
    this.#workers.set(partition, { cancel, done: workThroughPartition(deps, partition, cancel.signal) });
  }

  #letGo(partition: number): void {
    const worker = this.#workers.get(partition);
    if (worker === undefined || worker.cancel.signal.aborted) return;
    worker.cancel.abort();
    const released = this.#release(partition, worker).finally(() => this.#releases.delete(released));
    this.#releases.add(released);
  }

  async #release(partition: number, worker: Worker): Promise<void> {
    await worker.done;
    this.#committer.drop(partition);
    await this.#committer.settle();
    await this.#deps.groups.release(this.#member, [partition]).catch(() => undefined);
    this.#workers.delete(partition);
    this.#ring();
  }

  #ring(): void {
    this.#deps.bells.ring(this.#bell);
  }
}
