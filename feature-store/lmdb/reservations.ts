/** Reservations on LMDB: holders by name, their ends in order, and a count beside them, so that a place is found without counting all. */
import { refuseWrongReservation } from '../refuse-wrong-reservations.ts';
import type { Reservations } from '../reservations.ts';
import { attempt, type Environment } from './environment.ts';

/** Ends that are cleared away in one transaction: a cap's may all be the same midnight. */
const SWEEP = 1_000;

export const createLmdbReservations = (environment: Environment): Reservations => {
  const holders = environment.table('reservations');
  const ends = environment.table('reservation-ends');

  const countOf = (name: Buffer): number => holders.getBinary(name)?.readUInt32BE() ?? 0;
  const setCount = (name: Buffer, count: number): void => {
    if (count === 0) return void holders.removeSync(name);
    const value = Buffer.alloc(4);
    value.writeUInt32BE(count);
    holders.putSync(name, value);
  };
  const ended = (name: Buffer, nowMs: number) => ({ start: endKey(name, 0), end: endKey(name, nowMs + 1) });
  const sweep = (name: Buffer, nowMs: number): number => {
    const keys = [...ends.getKeys({ ...ended(name, nowMs), limit: SWEEP })].map((key) => Buffer.from(key));
    for (const key of keys) {
      holders.removeSync(Buffer.concat([name, key.subarray(name.length + TIME_BYTES)]));
      ends.removeSync(key);
    }
    if (keys.length > 0) setCount(name, countOf(name) - keys.length);
    return keys.length;
  };

  return {
    async reserve(text, holder, { nowMs, untilMs, max }) {
      refuseWrongReservation(text, holder, [nowMs, untilMs], max);
      const name = nameBytes(text);
      for (;;) {
        const held = await environment.durably(() => {
          if (sweep(name, nowMs) === SWEEP) return null;
          const key = Buffer.concat([name, holder]);
          if (holders.doesExist(key)) return true;
          const count = countOf(name);
          if (count >= max) return false;
          if (untilMs <= nowMs) return true;
          const end = Buffer.alloc(TIME_BYTES);
          end.writeUIntBE(untilMs, 0, TIME_BYTES);
          holders.putSync(key, end);
          ends.putSync(Buffer.concat([endKey(name, untilMs), holder]), NOTHING);
          setCount(name, count + 1);
          return true;
        });
        if (held !== null) return held;
      }
    },
    async release(text, holder) {
      refuseWrongReservation(text, holder, [], 0);
      const name = nameBytes(text);
      await environment.durably(() => {
        const key = Buffer.concat([name, holder]);
        const end = holders.getBinary(key);
        if (end === undefined) return;
        ends.removeSync(Buffer.concat([endKey(name, end.readUIntBE(0, TIME_BYTES)), holder]));
        holders.removeSync(key);
        setCount(name, countOf(name) - 1);
      });
    },
    async held(text, nowMs) {
      refuseWrongReservation(text, ANYBODY, [nowMs], 0);
      const name = nameBytes(text);
      return attempt('count reservations', () => {
        environment.root.resetReadTxn();
        return countOf(name) - ends.getKeysCount(ended(name, nowMs));
      });
    },
  };
};

const TIME_BYTES = 6;
const NOTHING = Buffer.alloc(0);
const ANYBODY = Buffer.alloc(1);

/** With its length before it: no name begins with another. */
const nameBytes = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]);
};

const endKey = (name: Buffer, untilMs: number): Buffer => {
  const out = Buffer.alloc(name.length + TIME_BYTES);
  out.set(name);
  out.writeUIntBE(untilMs, name.length, TIME_BYTES);
  return out;
};
