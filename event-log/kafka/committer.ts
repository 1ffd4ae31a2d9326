/** Writes a member's offsets behind its work: the newest of each queue, one request at a time, none before it is old enough. */
import { sleep } from '../backoff.ts';
import { HeldOffsets } from '../held-offsets.ts';
import type { GroupMember, OffsetToCommit } from './group-member.ts';

const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 2_000;

export class Committer {
  readonly #commit: GroupMember['commit'];
  readonly #held: HeldOffsets<OffsetToCommit>;
  readonly #closed = new AbortController();
  #due = new Map<string, OffsetToCommit>();
  #running: Promise<void> | null = null;

  constructor(commit: GroupMember['commit'], holdMs: number) {
    this.#commit = commit;
    this.#held = new HeldOffsets(holdMs, (offsets) => this.commit(offsets));
  }

  commitLater(offsets: readonly OffsetToCommit[]): void {
    this.#held.add(offsets);
  }

  commit(offsets: readonly OffsetToCommit[]): void {
    for (const offset of offsets) this.#due.set(`${offset.kafkaTopic}/${offset.partition}`, offset);
    this.#running ??= this.#run();
  }

  /** Forgets what is held of a partition, or of all. */
  drop(partition?: number): void {
    this.#held.drop(partition);
  }

  /** The partition is another's: what was not sent yet must not be. */
  disown(partition: number): void {
    this.drop(partition);
    for (const [key, offset] of this.#due) if (offset.partition === partition) this.#due.delete(key);
  }

  /** Resolves when what is old enough is committed or was refused, and after `ms` at the latest. */
  async settle(ms: number): Promise<void> {
    const enough = new AbortController();
    await Promise.race([this.#running ?? Promise.resolve(), sleep(ms, enough.signal)]);
    enough.abort();
  }

  close(): void {
    this.drop();
    this.#due.clear();
    this.#closed.abort();
  }

  /** What is not taken now is tried again, unless newer offsets take its place or the partition becomes another's. */
  async #run(): Promise<void> {
    await Promise.resolve();
    for (let pauseMs = FIRST_PAUSE_MS; this.#due.size > 0 && !this.#closed.signal.aborted;) {
      const offsets = [...this.#due];
      try {
        await this.#commit(offsets.map(([, offset]) => offset));
        for (const [key, offset] of offsets) if (this.#due.get(key) === offset) this.#due.delete(key);
        pauseMs = FIRST_PAUSE_MS;
      } catch {
        await sleep(pauseMs, this.#closed.signal);
        pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS);
      }
    }
    this.#running = null;
  }
}
