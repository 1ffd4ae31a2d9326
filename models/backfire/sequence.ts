/**
 * A confidence sequence for what contacting does to the rate of inbound contact: the bounds hold at every number of trials together, so that one may
 * look after each and stop at will. Exact for every sample size, for arms of any shares that change over time, and for base rates that drift.
 *
 * Each trial, held out with the known probability h, is worth (Horvitz & Thompson, with a fixed control variate m, which changes nothing in the mean)
 *
 *   ψ = (y − m) / (1 − h) if contacted,  −(y − m) / h if held out;      E[ψ] = P(y | contacted) − P(y | held out) = Δ
 *
 * A bettor who stakes λ on ψ > δ has the capital K_t(δ) = Π (1 + λ (ψ_i − δ)), and one who stakes on ψ < δ has Π (1 − λ (ψ_i − δ)): non-negative
 * supermartingales if Δ ≤ δ, or Δ ≥ δ (Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by betting", JRSS B 86(1), section 4).
 * So is their mixture over λ, and by Ville's inequality it ever reaches 1/α with probability at most α: what it has rejected lies outside the bounds.
 *
 * Since λ depends on nothing but h, the capital is a function of counts: they add over partitions, and their order does not matter.
 */
import { AttuneError } from '#contracts';
import { sum, type BackfireCounts } from './counts.ts';

export interface BackfireBounds {
  /** Of Δ, each wrong ever with probability at most α; −1 and 1 where nothing is known. */
  readonly low: number;
  readonly high: number;
  /** Rate of the contacted minus rate of the held out, each share by its trials; null before both arms have one. */
  readonly estimate: number | null;
  /** Matured trials. */
  readonly contacted: number;
  readonly heldOut: number;
}

/** m: near to what rates of inbound contact are; any value is valid. */
const CONTROL = 0.1;
/**
 * λ = c h (1 − h): in proportion to the precision of ψ, and 1 ± λ (ψ − δ) stays above 0 for c < 1. Most of the money is on effects that show within a few
 * thousand trials, the rest on smaller ones.
 */
const STAKES: readonly { readonly c: number; readonly weight: number }[] = [
  { c: 0.4, weight: 0.7 },
  { c: 0.15, weight: 0.15 },
  { c: 0.05, weight: 0.1 },
  { c: 0.015, weight: 0.05 },
];
/** Far finer than any bound is sharp. */
const HALVINGS = 40;

/** @param alpha of each side, strictly between 0 and 1; throws `evaluation.invalid` */
export const backfireBounds = (counts: BackfireCounts, alpha: number): BackfireBounds => {
  if (!(alpha > 0 && alpha < 1)) throw new AttuneError('evaluation.invalid', `alpha must lie between 0 and 1, such as 0.05, not ${alpha}`);
  const enough = Math.log(1 / alpha);
  return {
    low: lastRejected(-1, 1, (delta) => logCapital(counts, delta, 1) >= enough),
    high: lastRejected(1, -1, (delta) => logCapital(counts, delta, -1) >= enough),
    estimate: estimateOf(counts),
    contacted: sum(counts, 'contacted'),
    heldOut: sum(counts, 'heldOut'),
  };
};

/** From `start`, where rejections begin, towards `end`; capital only falls on this way. */
const lastRejected = (start: number, end: number, isRejected: (delta: number) => boolean): number => {
  if (!isRejected(start)) return start;
  let [rejected, kept] = [start, end];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (rejected + kept) / 2;
    if (isRejected(middle)) rejected = middle;
    else kept = middle;
  }
  return rejected;
};

/** ln Σ_c weight_c K(δ; c). */
const logCapital = (counts: BackfireCounts, delta: number, side: 1 | -1): number => {
  const logs = STAKES.map(({ c, weight }) => {
    let log = Math.log(weight);
    for (const { share, contacted, contactedInbound, heldOut, heldOutInbound } of counts) {
      const lambda = side * c * share * (1 - share);
      const won = (count: number, psi: number): number => (count === 0 ? 0 : count * Math.log1p(lambda * (psi - delta)));
      log += won(contactedInbound, (1 - CONTROL) / (1 - share)) + won(contacted - contactedInbound, -CONTROL / (1 - share));
      log += won(heldOutInbound, -(1 - CONTROL) / share) + won(heldOut - heldOutInbound, CONTROL / share);
    }
    return log;
  });
  const largest = Math.max(...logs);
  return largest + Math.log(logs.reduce((total, log) => total + Math.exp(log - largest), 0));
};

const estimateOf = (counts: BackfireCounts): number | null => {
  let [trials, weighted] = [0, 0];
  for (const { contacted, contactedInbound, heldOut, heldOutInbound } of counts) {
    if (contacted === 0 || heldOut === 0) continue;
    trials += contacted + heldOut;
    weighted += (contacted + heldOut) * (contactedInbound / contacted - heldOutInbound / heldOut);
  }
  return trials === 0 ? null : weighted / trials;
};
