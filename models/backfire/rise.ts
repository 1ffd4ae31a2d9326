/** What contacting adds to the rate of inbound contact, as decisions count it before the proof is sure. */
import type { BackfireCounts } from './counts.ts';

/** Of the normal prior around 0: a contact rarely moves the rate by more than twice as much. */
const PRIOR_SD = 0.05;

/**
 * Rate of the contacted minus rate of the held out, each hold-out share by its trials, shrunk towards 0 by what is not known yet: the posterior mean
 * under a normal prior (Efron & Morris 1975). 0 without trials in both arms; negative where contact saves inbound contacts.
 */
export const shrunkRise = (counts: BackfireCounts): number => {
  let [trials, weighted, variance] = [0, 0, 0];
  for (const { contacted, contactedInbound, heldOut, heldOutInbound } of counts) {
    if (contacted === 0 || heldOut === 0) continue;
    const n = contacted + heldOut;
    trials += n;
    weighted += n * (contactedInbound / contacted - heldOutInbound / heldOut);
    variance += n * n * (varianceOf(contactedInbound, contacted) + varianceOf(heldOutInbound, heldOut));
  }
  if (trials === 0) return 0;
  const prior = PRIOR_SD ** 2;
  return (weighted / trials) * (prior / (prior + variance / trials ** 2));
};

/** Of a rate; half a success and half a failure more keep it above 0. */
const varianceOf = (k: number, n: number): number => {
  const rate = (k + 0.5) / (n + 1);
  return (rate * (1 - rate)) / n;
};
