/** Why an action is paused, as a person who has not met statistics reads it. */
import { HOUR_MS } from '#contracts';
import type { BackfireBounds, BackfireCounts } from '#models/backfire';

export interface ArmRates {
  /** 0 to 1. */
  readonly contactedRate: number;
  readonly heldOutRate: number;
}

export const armRates = (counts: BackfireCounts): ArmRates => {
  const total = { contacted: 0, contactedInbound: 0, heldOut: 0, heldOutInbound: 0 };
  for (const row of counts) for (const field of Object.keys(total) as (keyof typeof total)[]) total[field] += row[field];
  return {
    contactedRate: total.contactedInbound / Math.max(1, total.contacted),
    heldOutRate: total.heldOutInbound / Math.max(1, total.heldOut),
  };
};

export const pauseReason = (
  counts: BackfireCounts,
  { low, contacted, heldOut }: BackfireBounds,
  { windowMs, margin, alpha }: { readonly windowMs: number; readonly margin: number; readonly alpha: number },
): string => {
  const { contactedRate, heldOutRate } = armRates(counts);
  return (
    `Of ${contacted.toLocaleString('en')} customers whom we contacted ${percent(contactedRate)} came to us within ${Math.round(windowMs / HOUR_MS)} hours, ` +
    `of ${heldOut.toLocaleString('en')} whom we left alone ${percent(heldOutRate)}: contacting adds at least ${points(low)} points, ` +
    `and ${points(margin)} are allowed (${Math.round((1 - alpha) * 100)} % certain). Nobody is contacted until a person resumes the action.`
  );
};

const percent = (rate: number): string => `${(rate * 100).toFixed(1)} %`;
const points = (rate: number): string => (rate * 100).toFixed(1);
