/** The hold-out group of a customer: a hash of customer and calendar month (UTC), so that it lasts a month and is known everywhere. */
import { hashUnit, type CustomerKey } from '#contracts';

export type Group = 'model' | 'random' | 'untouched';

export interface GroupShares {
  readonly random: number;
  readonly untouched: number;
}

export const DEFAULT_SHARES: GroupShares = Object.freeze({ random: 0.02, untouched: 0.01 });

const SALT = 0x67726f75;

export const groupOf = (customerKey: CustomerKey, nowMs: number, shares: GroupShares = DEFAULT_SHARES): Group => {
  const date = new Date(nowMs);
  const unit = hashUnit(`${customerKey}:${date.getUTCFullYear()}-${date.getUTCMonth()}`, SALT);
  if (unit < shares.random) return 'random';
  return unit < shares.random + shares.untouched ? 'untouched' : 'model';
};
