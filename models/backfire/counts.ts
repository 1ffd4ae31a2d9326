/** What matured trials of contacting add up to: counts by hold-out share and arm, which may be added over partitions in any order. */
import { AttuneError } from '#contracts';

export interface BackfireTrial {
  /** The probability with which it was held out, once it was chosen; strictly between 0 and 1. */
  readonly share: number;
  readonly arm: 'contacted' | 'heldOut';
  /** The customer came to us within the window. */
  readonly inbound: boolean;
}

/** Of all trials that had one hold-out share. */
export interface ShareCounts {
  readonly share: number;
  readonly contacted: number;
  /** Of the contacted. */
  readonly contactedInbound: number;
  readonly heldOut: number;
  /** Of the held out. */
  readonly heldOutInbound: number;
}

export type BackfireCounts = readonly ShareCounts[];

/** Receipts keep shares as floats of 32 bits. */
const roundedShare = (share: number): number => Math.round(share * 1e4) / 1e4;

/** Intention to treat: what happened to the message does not change the arm. Throws `evaluation.invalid`. */
export const addTrial = (counts: BackfireCounts, { share, arm, inbound }: BackfireTrial): BackfireCounts => {
  const rounded = roundedShare(share);
  if (!(rounded > 0 && rounded < 1))
    throw new AttuneError('evaluation.invalid', `a trial has a hold-out share strictly between 0 and 1, not ${share}`);
  const one = inbound ? 1 : 0;
  return addCounts(counts, [
    arm === 'contacted'
      ? { share: rounded, contacted: 1, contactedInbound: one, heldOut: 0, heldOutInbound: 0 }
      : { share: rounded, contacted: 0, contactedInbound: 0, heldOut: 1, heldOutInbound: one },
  ]);
};

export const addCounts = (some: BackfireCounts, others: BackfireCounts): BackfireCounts =>
  [...Map.groupBy([...some, ...others], ({ share }) => share)]
    .map(([share, rows]) => ({
      share,
      contacted: sum(rows, 'contacted'),
      contactedInbound: sum(rows, 'contactedInbound'),
      heldOut: sum(rows, 'heldOut'),
      heldOutInbound: sum(rows, 'heldOutInbound'),
    }))
    .toSorted((a, b) => b.share - a.share);

export const sum = (counts: BackfireCounts, field: keyof ShareCounts): number => counts.reduce((total, row) => total + row[field], 0);
