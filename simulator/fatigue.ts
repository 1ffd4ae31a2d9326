/** How often a customer has recently seen an action: showings that fade by half each half-life. */
import { DAY_MS } from '#contracts';

export interface Fatigue {
  of(customer: number, actionId: string, nowMs: number): number;
  add(customer: number, actionId: string, nowMs: number): void;
}

export const createFatigue = (halfLifeDays: number): Fatigue => {
  const showings = new Map<number, Map<string, { value: number; atMs: number }>>();
  const faded = (entry: { value: number; atMs: number } | undefined, nowMs: number): number =>
    entry === undefined ? 0 : entry.value * 2 ** (-Math.max(0, nowMs - entry.atMs) / (halfLifeDays * DAY_MS));
  return {
    of: (customer, actionId, nowMs) => faded(showings.get(customer)?.get(actionId), nowMs),
    add(customer, actionId, nowMs) {
      let seen = showings.get(customer);
      if (seen === undefined) showings.set(customer, (seen = new Map()));
      seen.set(actionId, { value: faded(seen.get(actionId), nowMs) + 1, atMs: nowMs });
    },
  };
};
