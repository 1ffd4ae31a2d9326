/** The identities of recent inputs, so that a client's retry counts once: 40-bit hashes, 24 h, at most 64. */
import { avalanche, DAY_MS, hash48, MINUTE_MS } from '#contracts';
import type { CustomerState, IdentityRing } from './customer-state.ts';

export const MAX_IDS = 64;
/** Forgotten ids that may stand before the others, so that not every new id moves all of them. */
const SLACK = 64;
export const ID_TTL_MS = DAY_MS;
const UNIT_MS = 10 * MINUTE_MS;

const SEED = 0x1d;

/** A false match among 64 ids has probability 6e-11. */
export const identityHash = (id: string): number => hash48(id, SEED) % 2 ** 40;

const PRIME = 0x01000193;
const PREFIX = Buffer.from('event:');
const startOf = (seed: number): number => PREFIX.reduce((h, unit) => Math.imul(h ^ unit, PRIME), 0x811c9dc5 ^ seed);
const HIGH = startOf(SEED);
const LOW = startOf(SEED ^ 0x9e3779b9);

/** identityHash of `event:<source>/<id>` from their bytes in a record; undefined when they are not ASCII: then it needs the text. */
export const identityHashOfEvent = (
  bytes: Uint8Array,
  sourceAt: number,
  sourceEnd: number,
  idAt: number,
  idEnd: number,
): number | undefined => {
  let high = HIGH;
  let low = LOW;
  let all = 0;
  for (let i = sourceAt; i < sourceEnd; i++) {
    const unit = bytes[i]!;
    all |= unit;
    high = Math.imul(high ^ unit, PRIME);
    low = Math.imul(low ^ unit, PRIME);
  }
  high = Math.imul(high ^ 0x2f, PRIME);
  low = Math.imul(low ^ 0x2f, PRIME);
  for (let i = idAt; i < idEnd; i++) {
    const unit = bytes[i]!;
    all |= unit;
    high = Math.imul(high ^ unit, PRIME);
    low = Math.imul(low ^ unit, PRIME);
  }
  if (all >= 0x80) return undefined;
  return ((avalanche(high) >>> 8) & 0xffff) * 0x1000000 + (avalanche(low) >>> 8);
};

const includes = ({ hashes, forgotten }: IdentityRing, hash: number): boolean => hashes.includes(hash, forgotten);

const hashOf = (id: string | number): number => (typeof id === 'number' ? id : identityHash(id));

/** Time of what the ring forgets: entries of earlier units are older than 24 h. */
export const oldestUnitAt = (nowMs: number): number => Math.floor((nowMs - ID_TTL_MS) / UNIT_MS);

/** @param id CloudEvents source and id, an outcomeId, a decisionId: whatever names the input, with its kind in front; or its identityHash */
export const hasSeen = (state: CustomerState, id: string | number): boolean => includes(state.ring, hashOf(id));

/** @param atMs when it was received; the ring keeps what was received last. False when it was there already. */
export const rememberId = (state: CustomerState, id: string | number, atMs: number): boolean => {
  const hash = hashOf(id);
  if (includes(state.ring, hash)) return false;
  rememberNew(state, hash, atMs);
  return true;
};

/** For whoever has just asked `hasSeen`. @param hash identityHash */
export const rememberNew = (state: CustomerState, hash: number, atMs: number): void => {
  const { ring } = state;
  const { hashes, units } = ring;
  const unit = Math.floor(atMs / UNIT_MS);
  let place = units.length;
  while (place > ring.forgotten && units[place - 1]! > unit) place--;
  if (place === units.length) {
    hashes.push(hash);
    units.push(unit);
  } else {
    hashes.splice(place, 0, hash);
    units.splice(place, 0, unit);
  }
  if (hashes.length <= MAX_IDS + ring.forgotten) return;
  ring.forgotten++;
  if (ring.forgotten < SLACK) return;
  hashes.splice(0, SLACK);
  units.splice(0, SLACK);
  ring.forgotten = 0;
};
