/**
 * Challenger less champion on the same decisions: what both would have done alike cancels, so that the difference is known far better than either value.
 * For DR: D̂ = mean(q̂(x, π_c) − q̂(x, π_0) + (w_c − w_0)(r − q̂(x, a))).
 */
import { doublyRobust } from './doubly-robust.ts';
import type { LoggedRounds, PerAction } from './logged-rounds.ts';
import type { Terms } from './terms.ts';
import { influenceOf, valueOf } from './terms.ts';

/** Of two estimates by plain means (IPS, DM, DR, DRos): the difference as terms again, so that every interval serves it. */
export const pairedTerms = (challenger: Terms, champion: Terms): Terms => ({
  direct: less(challenger.direct, champion.direct),
  correction: less(challenger.correction, champion.correction),
  normaliser: null,
});

export const pairedDoublyRobust = (log: LoggedRounds, challenger: PerAction, champion: PerAction, rewards: PerAction): Terms =>
  pairedTerms(doublyRobust(log, challenger, rewards), doublyRobust(log, champion, rewards));

/** Of any two, self-normalised ones too: value and influence, linearised, as the terms of a plain mean. */
export const linearisedDifference = (challenger: Terms, champion: Terms): Terms => {
  const [one, other] = [influenceOf(challenger), influenceOf(champion)];
  const value = valueOf(challenger) - valueOf(champion);
  return { direct: one.map((psi, i) => value + psi - other[i]!), correction: null, normaliser: null };
};

const less = (one: Float64Array | null, other: Float64Array | null): Float64Array | null => {
  if (one === null || other === null) return one ?? other?.map((x) => -x) ?? null;
  return one.map((x, i) => x - other[i]!);
};
