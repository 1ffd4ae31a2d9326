/** The identities of recent inputs, so that a client's retry counts once: 40-bit hashes, 24 h, at most 64. */
import { DAY_MS, hash48, MINUTE_MS } from '#contracts';
import type { CustomerState } from './customer-state.ts';

export const MAX_IDS = 64;
export const ID_TTL_MS = DAY_MS;
const UNIT_MS = 10 * MINUTE_MS;

/** A false match among 64 ids has probability 6e-11. */
export const identityHash = (id: string): number => hash48(id, 0x1d) % 2 ** 40;

/** Time of what the ring forgets: entries of earlier units are older than 24 h. */
export const oldestUnitAt = (nowMs: number): number => Math.floor((nowMs - ID_TTL_MS) / UNIT_MS);

/** @param id CloudEvents source and id, an outcomeId, a decisionId: whatever names the input, with its kind in front */
export const hasSeen = (state: CustomerState, id: string): boolean => state.ring.hashes.includes(identityHash(id));

/** @param atMs when it was received; the ring keeps what was received last. False when it was there already. */
export const rememberId = (state: CustomerState, id: string, atMs: number): boolean => {
  const { hashes, units } = state.ring;
  const hash = identityHash(id);
  if (hashes.includes(hash)) return false;
  const unit = Math.floor(atMs / UNIT_MS);
  let place = units.length;
  while (place > 0 && units[place - 1]! > unit) place--;
  hashes.splice(place, 0, hash);
  units.splice(place, 0, unit);
  if (hashes.length > MAX_IDS) {
    hashes.shift();
    units.shift();
  }
  return true;
};
