/** Writes a consumer's offsets behind its work: the newest of each queue, one transaction at a time. */
import type { Commit, Groups, Member } from './groups.ts';

export class Committer {
  readonly #groups: Groups;
  readonly #member: Member;
  readonly #holdMs: number;
  #dirty = new Map<string, Commit>();
  #held: { readonly dueMs: number; readonly commits: readonly Commit[] }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | null = null;

  constructor(groups: Groups, member: Member, holdMs: number) {
    this.#groups = groups;
    this.#member = member;
    this.#holdMs = holdMs;
  }

  /** Commits as soon as the offsets are old enough; what is still held is forgotten by `drop`. */
  commitLater(commits: readonly Commit[]): void {
    if (this.#holdMs === 0) {
      this.commit(commits);
      return;
    }
    this.#held.push({ dueMs: performance.now() + this.#holdMs, commits });
    this.#timer ??= setTimeout(() => this.#ripen(), this.#holdMs);
  }

  drop(partition?: number): void {
    this.#held = partition === undefined ? [] : this.#held.filter(({ commits }) => commits[0]?.partition !== partition);
    if (this.#held.length > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #ripen(): void {
    const nowMs = performance.now();
    const ripe = this.#held.filter(({ dueMs }) => dueMs <= nowMs);
    this.#held = this.#held.filter(({ dueMs }) => dueMs > nowMs);
    for (const { commits } of ripe) this.commit(commits);
    const next = this.#held[0];
    this.#timer = next === undefined ? undefined : setTimeout(() => this.#ripen(), Math.max(1, next.dueMs - nowMs));
  }

  commit(commits: readonly Commit[]): void {
    for (const commit of commits) this.#dirty.set(`${commit.topic}/${commit.partition}`, commit);
    this.#running ??= this.#run();
  }

  /** Resolves when what was committed so far is stored, or was tried and refused. */
  async settle(): Promise<void> {
    await this.#running;
  }

  /** A failed write is dropped: the batch was handled, and the next commit carries newer offsets (at least once). */
  async #run(): Promise<void> {
    await Promise.resolve();
    while (this.#dirty.size > 0) {
      const commits = [...this.#dirty.values()];
      this.#dirty.clear();
      await this.#groups.commit(this.#member, commits).catch(() => undefined);
    }
    this.#running = null;
  }
}
