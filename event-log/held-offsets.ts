/** Holds a consumer's offsets back until they are old enough to be committed. */
export class HeldOffsets<Offset extends { readonly partition: number }> {
  readonly #holdMs: number;
  readonly #commit: (offsets: readonly Offset[]) => void;
  #held: { readonly dueMs: number; readonly offsets: readonly Offset[] }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(holdMs: number, commit: (offsets: readonly Offset[]) => void) {
    this.#holdMs = holdMs;
    this.#commit = commit;
  }

  /** Of one partition. */
  add(offsets: readonly Offset[]): void {
    if (this.#holdMs === 0) {
      this.#commit(offsets);
      return;
    }
    this.#held.push({ dueMs: performance.now() + this.#holdMs, offsets });
    this.#timer ??= setTimeout(() => this.#ripen(), this.#holdMs);
  }

  /** Forgets what is held of a partition, or of all. */
  drop(partition?: number): void {
    this.#held = partition === undefined ? [] : this.#held.filter(({ offsets }) => offsets[0]?.partition !== partition);
    if (this.#held.length > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #ripen(): void {
    const nowMs = performance.now();
    const ripe = this.#held.filter(({ dueMs }) => dueMs <= nowMs);
    this.#held = this.#held.filter(({ dueMs }) => dueMs > nowMs);
    for (const { offsets } of ripe) this.#commit(offsets);
    const next = this.#held[0];
    this.#timer = next === undefined ? undefined : setTimeout(() => this.#ripen(), Math.max(1, next.dueMs - nowMs));
  }
}
