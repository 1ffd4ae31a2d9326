/** Calibration: P = σ(a·u + c) of the head's logit u, refitted from binned outcomes (Platt 1999), with (1, 0) as prior. */

const BINS = 96;
const LOW = -9;
const WIDTH = 0.125;
const SLOPE_PRIOR = 20;
const SHIFT_PRIOR = 2;

/** Monotone by construction: a stays within [0.2, 3]. The identity until outcomes say otherwise. */
export class Platt {
  /** Σ g, Σ g·y and Σ g·u by bin. */
  readonly counts = new Float64Array(BINS);
  readonly positives = new Float64Array(BINS);
  readonly scores = new Float64Array(BINS);
  slope = 1;
  shift = 0;

  learn(u: number, g: number, target: number): void {
    const bin = binOf(u);
    this.counts[bin]! += g;
    this.positives[bin]! += g * target;
    this.scores[bin]! += g * u;
  }

  correct(u: number, change: number): void {
    this.positives[binOf(u)]! += change;
  }

  /** Newton's method on the penalised likelihood. @param g of today, so that the prior is added after forgetting */
  fit(g: number): void {
    let a = this.slope;
    let c = this.shift;
    for (let step = 0; step < 6; step++) {
      let ga = -(a - 1) * SLOPE_PRIOR;
      let gc = -c * SHIFT_PRIOR;
      let haa = SLOPE_PRIOR;
      let hac = 0;
      let hcc = SHIFT_PRIOR;
      for (let i = 0; i < BINS; i++) {
        const n = this.counts[i]! / g;
        if (!(n > 0)) continue;
        const u = this.scores[i]! / this.counts[i]!;
        const p = sigmoid(a * u + c);
        const d = this.positives[i]! / g - n * p;
        const v = n * p * (1 - p);
        ga += d * u;
        gc += d;
        haa += v * u * u;
        hac += v * u;
        hcc += v;
      }
      const determinant = haa * hcc - hac * hac;
      if (!(determinant > 1e-9)) break;
      a = Math.min(3, Math.max(0.2, a + (hcc * ga - hac * gc) / determinant));
      c = Math.min(6, Math.max(-6, c + (haa * gc - hac * ga) / determinant));
    }
    this.slope = a;
    this.shift = c;
  }

  scale(factor: number): void {
    for (const array of [this.counts, this.positives, this.scores]) for (let i = 0; i < BINS; i++) array[i]! *= factor;
  }
}

const binOf = (u: number): number => Math.max(0, Math.min(BINS - 1, Math.floor((u - LOW) / WIDTH)));

export const sigmoid = (u: number): number => 1 / (1 + Math.exp(-u));
export const logit = (p: number): number => Math.log(p / (1 - p));
