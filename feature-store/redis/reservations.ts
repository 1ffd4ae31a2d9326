/** Reservations on Redis: a sorted set a name, holders by the end of their place; one script counts and takes. */
import { refuseWrongReservation } from '../refuse-wrong-reservations.ts';
import type { Reservations } from '../reservations.ts';
import { bucketOfText } from './buckets.ts';
import type { Commands } from './commands.ts';
import type { Keys } from './keys.ts';
import type { LossGate } from './loss-gate.ts';
import { RESERVE } from './scripts.ts';

/** Redis forgets a name so long after its last place has ended; what counts is the caller's clock. */
const SLACK_MS = 3_600_000;

export interface ReservationsDeps {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly gate: Pick<LossGate, 'pass'>;
}

export const createRedisReservations = ({ commands, keys, gate }: ReservationsDeps): Reservations => ({
  async reserve(name, holder, { nowMs, untilMs, max }) {
    refuseWrongReservation(name, holder, [nowMs, untilMs], max);
    gate.pass();
    const bucket = bucketOfText(name);
    const args = [keys.reservations(bucket, name), holder, nowMs, untilMs, max, Math.max(untilMs - nowMs, 0) + SLACK_MS];
    const [held] = await commands.all([{ bucket, run: { script: RESERVE, keys: 1 }, args }]);
    return held === 1;
  },
  async release(name, holder) {
    refuseWrongReservation(name, holder, [], 0);
    const bucket = bucketOfText(name);
    await commands.all([{ bucket, run: 'ZREM', args: [keys.reservations(bucket, name), holder] }]);
  },
  async held(name, nowMs) {
    refuseWrongReservation(name, ANYBODY, [nowMs], 0);
    const bucket = bucketOfText(name);
    const [held] = await commands.all([{ bucket, run: 'ZCOUNT', args: [keys.reservations(bucket, name), `(${nowMs}`, '+inf'] }]);
    return held as number;
  },
});

const ANYBODY = Buffer.alloc(1);
