/** Leases on Redis: a key that ends by itself; Redis' clock is the one clock of all processes. */
import type { Leases } from '../port.ts';
import { bucketOfText } from './buckets.ts';
import type { Commands } from './commands.ts';
import type { Keys } from './keys.ts';
import { HOLD, RELEASE } from './scripts.ts';

export const createRedisLeases = (commands: Commands, keys: Keys): Leases => ({
  async hold(name, owner, ttlMs) {
    const bucket = bucketOfText(name);
    const [held] = await commands.all([
      { bucket, run: { script: HOLD, keys: 1 }, args: [keys.lease(bucket, name), owner, Math.ceil(ttlMs)] },
    ]);
    return held === 1;
  },
  async release(name, owner) {
    const bucket = bucketOfText(name);
    await commands.all([{ bucket, run: { script: RELEASE, keys: 1 }, args: [keys.lease(bucket, name), owner] }]);
  },
  async holder(name) {
    const bucket = bucketOfText(name);
    const [owner] = await commands.all([{ bucket, run: 'GET', args: [keys.lease(bucket, name)] }]);
    return owner === null ? null : (owner as Buffer).toString('utf8');
  },
});
