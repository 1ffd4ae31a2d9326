/** Tells when rewards are no longer what the model predicts: an e-detector on calibration residuals (Shin, Ramdas & Rinaldo 2024, "E-detectors"). */

/**
 * While the model is calibrated up to δ, r = y − p has a mean within [−δ, δ] whatever came before, so every bet
 *
 *   L = 1 + λ r − |λ| δ,   r in [−1, 1]
 *
 * has an expectation of at most 1, and M ← (M + 1) L (Shiryaev–Roberts) exceeds A on average no sooner than after A outcomes. Nothing is assumed
 * of how outcomes are distributed or depend on each other. Several bets of both signs, averaged, keep that promise; a large λ finds a
 * large shift, a small one a small shift. Delay: about ln A / KL outcomes; a rate that falls from 0.5 to 0.3 takes about 140.
 */
export interface ShiftOptions {
  /** A: the least average number of outcomes between false alarms. */
  readonly outcomesPerFalseAlarm: number;
  /** Of a rate, in units of its logit: a smaller shift than this is no drift. δ = tolerance · p (1 − p). */
  readonly tolerance: number;
  /** So many outcomes first, while a young model finds its level. */
  readonly warmUp: number;
}

export const DEFAULT_SHIFT_OPTIONS: ShiftOptions = Object.freeze({ outcomesPerFalseAlarm: 100_000, tolerance: 0.3, warmUp: 500 });

const BETS = [0.02, 0.05, 0.1, 0.2, 0.4, 0.8].flatMap((bet) => [bet, -bet]);
/** Of recent residuals, for people: about the last 500. */
const KEEP = 1 - 1 / 500;
/** Real-valued rewards: residuals beyond this many standard deviations count as that many. */
const WIDTH = 4;
const REAL_TOLERANCE = 0.05;

export class ShiftDetector {
  readonly #options: ShiftOptions;
  readonly #evidence = new Float64Array(BETS.length);
  #seen = 0;
  #squares = 0;
  #shift = 0;
  #weight = 0;
  /** Since the first outcome. */
  alarms = 0;

  constructor(options: Partial<ShiftOptions> = {}) {
    this.#options = { ...DEFAULT_SHIFT_OPTIONS, ...options };
  }

  /**
   * @param expected as the model predicted it before
   * @param isRate false: rewards of any scale, whose residuals are measured by their own size so far
   * @returns true when this outcome raises an alarm; detection then begins anew
   */
  observe(expected: number, actual: number, isRate = true): boolean {
    const residual = actual - expected;
    if (!Number.isFinite(residual)) return false;
    this.#seen++;
    this.#shift = KEEP * this.#shift + residual;
    this.#weight = KEEP * this.#weight + 1;
    this.#squares += residual * residual;
    if (this.#seen <= this.#options.warmUp) return false;
    const { outcomesPerFalseAlarm, tolerance } = this.#options;
    const size = isRate ? 1 : WIDTH * Math.sqrt(this.#squares / this.#seen) || 1;
    const r = Math.max(-1, Math.min(1, residual / size));
    const slack = isRate ? tolerance * Math.max(0, expected * (1 - expected)) : REAL_TOLERANCE;
    const evidence = this.#evidence;
    let sum = 0;
    for (let i = 0; i < BETS.length; i++) {
      const bet = BETS[i]!;
      const e = (evidence[i]! + 1) * Math.max(0, 1 + bet * r - Math.abs(bet) * slack);
      evidence[i] = e;
      sum += e;
    }
    if (sum / BETS.length < outcomesPerFalseAlarm) return false;
    this.alarms++;
    evidence.fill(0);
    return true;
  }

  /** ln M / ln A: 1 is an alarm. */
  get evidence(): number {
    const mean = this.#evidence.reduce((a, b) => a + b, 0) / BETS.length;
    return Math.max(0, Math.log(Math.max(mean, 1)) / Math.log(this.#options.outcomesPerFalseAlarm));
  }

  /** Mean of recent outcomes less their predictions. */
  get shift(): number {
    return this.#weight > 0 ? this.#shift / this.#weight : 0;
  }
}
