/** Request keys on Redis: who asked first, forgotten after their time to live. */
import { hash } from 'node:crypto';
import type { Requests } from '../port.ts';
import { BUCKETS } from './buckets.ts';
import type { Commands } from './commands.ts';
import type { Keys } from './keys.ts';
import { CLAIM } from './scripts.ts';

/** Clocks of callers may differ this much: Redis forgets a claim only after it, what counts is the caller's `nowMs`. */
const SLACK_MS = 60_000;

export const createRedisRequests = (commands: Commands, keys: Keys): Requests => ({
  async claim(requestKey, decisionId, { nowMs, ttlMs }) {
    const bucket = hash('md5', requestKey, 'buffer').readUInt16BE() % BUCKETS;
    const end = String(nowMs + ttlMs);
    const args = [keys.request(bucket, requestKey), decisionId, nowMs, end, Math.ceil(ttlMs + SLACK_MS)];
    return (await commands.one({ bucket, run: { script: CLAIM, keys: 1 }, args })) as Buffer;
  },
});
