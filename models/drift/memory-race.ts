/** How long a memory suits a loop: discounted rates at several half-lives run beside each other, and the one that predicted best leads. */

/** In outcomes; the last one forgets nothing. */
export const HALF_LIVES = [100, 300, 1_000, 3_000, 10_000, 30_000, Infinity] as const;

/** Of the losses that are compared: about the last 5,000 outcomes. */
const KEEP = 1 - 1 / 5_000;
/** So many outcomes of an arm count as much as the level of all arms. */
const PRIOR = 5;
const MAX_ARMS = 500;

/**
 * Each half-life keeps Σ g y and Σ g of every arm and of all, and predicts an outcome before it sees it (progressive validation: Blum, Kalai &
 * Langford 1999); the loss is the squared error, which needs no scale. It says which memory suits the world, not what a model with
 * features loses. O(half-lives) an outcome.
 */
export class MemoryRace {
  readonly #arms = new Map<string, Float64Array>();
  readonly #all = new Float64Array(2 * HALF_LIVES.length);
  readonly #growth = HALF_LIVES.map((halfLife) => Math.pow(2, 1 / halfLife));
  readonly #weight = new Float64Array(HALF_LIVES.length).fill(1);
  readonly #losses = new Float64Array(HALF_LIVES.length);
  outcomes = 0;

  observe(arm: string, actual: number): void {
    if (!Number.isFinite(actual)) return;
    let own = this.#arms.get(arm);
    if (own === undefined) {
      if (this.#arms.size >= MAX_ARMS) return;
      this.#arms.set(arm, (own = new Float64Array(2 * HALF_LIVES.length)));
    }
    const all = this.#all;
    this.outcomes++;
    for (let h = 0; h < HALF_LIVES.length; h++) {
      const g = (this.#weight[h] = this.#weight[h]! * this.#growth[h]!);
      const level = all[2 * h]! > 0 ? all[2 * h + 1]! / all[2 * h]! : 0;
      const expected = (own[2 * h + 1]! + PRIOR * g * level) / (own[2 * h]! + PRIOR * g);
      this.#losses[h] = KEEP * this.#losses[h]! + (actual - expected) ** 2;
      for (const sums of [own, all]) {
        sums[2 * h] = sums[2 * h]! + g;
        sums[2 * h + 1] = sums[2 * h + 1]! + g * actual;
      }
      if (g > 1e100) this.#rescale(h);
    }
  }

  /** The half-life that has predicted best lately; null before 1,000 outcomes. */
  get best(): number | null {
    if (this.outcomes < 1_000) return null;
    let best = 0;
    for (let h = 1; h < HALF_LIVES.length; h++) if (this.#losses[h]! < this.#losses[best]!) best = h;
    return HALF_LIVES[best]!;
  }

  #rescale(h: number): void {
    const factor = 1 / this.#weight[h]!;
    this.#weight[h] = 1;
    for (const sums of [this.#all, ...this.#arms.values()]) {
      sums[2 * h] = sums[2 * h]! * factor;
      sums[2 * h + 1] = sums[2 * h + 1]! * factor;
    }
  }
}
