/** Writes a consumer's offsets behind its work: the newest of each queue, one transaction at a time. */
import { HeldOffsets } from '../held-offsets.ts';
import type { Commit, Groups, Member } from './groups.ts';

export class Committer {
  readonly #groups: Groups;
  readonly #member: Member;
  readonly #held: HeldOffsets<Commit>;
  #dirty = new Map<string, Commit>();
  #running: Promise<void> | null = null;

  constructor(groups: Groups, member: Member, holdMs: number) {
    this.#groups = groups;
    this.#member = member;
    this.#held = new HeldOffsets(holdMs, (commits) => this.commit(commits));
  }

  /** Commits as soon as the offsets are old enough; what is still held is forgotten by `drop`. */
  commitLater(commits: readonly Commit[]): void {
    this.#held.add(commits);
  }

  drop(partition?: number): void {
    this.#held.drop(partition);
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
