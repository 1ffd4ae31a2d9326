/** Redis stands still (SIGSTOP: connected, and silent), then is gone: what is answered meanwhile, and how soon. */
import { setTimeout as delay } from 'node:timers/promises';
import type { RedisUnderTest } from '../../test/engines/redis.ts';

/** `attune serve`'s default. */
const DEADLINE_MS = 50;
const CONNECTIONS = 16;

interface Answered {
  readonly ms: number;
  readonly status: number;
  readonly degraded: boolean;
  readonly isEmpty: boolean;
  /** An action that the catalog does not offer to everybody: it may need a consent, and nobody could look. */
  readonly isPresumed: boolean;
}

export interface WithoutRedis {
  readonly answered: number;
  readonly errors: number;
  readonly degradedShare: number;
  readonly nonEmptyShare: number;
  /** Answers with an action that is not one of the catalog's defaults. */
  readonly presumed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Share of answers within the deadline and 10 ms. */
  readonly inTimeShare: number;
  /** From Redis's return to the first answer that is not degraded. */
  readonly healedMs: number;
}

export const decideWithoutRedis = async (deps: {
  readonly redis: RedisUnderTest;
  readonly port: number;
  readonly bodies: readonly string[];
  readonly secret: string;
  readonly defaults: ReadonlySet<string>;
}): Promise<{ readonly paused: WithoutRedis; readonly killed: WithoutRedis }> => {
  const { redis } = deps;
  redis.pause();
  await delay(200);
  const paused = await load(deps, 3_000);
  redis.resume();
  const healedMs = await untilFresh(deps);
  await redis.kill();
  await delay(200);
  const killed = await load(deps, 3_000);
  await redis.start();
  return { paused: summary(paused, healedMs), killed: summary(killed, await untilFresh(deps)) };
};

const load = async (deps: Parameters<typeof decideWithoutRedis>[0], forMs: number): Promise<readonly Answered[]> => {
  const all: Answered[] = [];
  const end = performance.now() + forMs;
  let next = 0;
  const connection = async (): Promise<void> => {
    while (performance.now() < end) {
      all.push(await ask(deps, deps.bodies[next++ % deps.bodies.length]!));
      await delay(20);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  return all;
};

const ask = async ({ port, secret, defaults }: Parameters<typeof decideWithoutRedis>[0], body: string): Promise<Answered> => {
  const begun = performance.now();
  const response = await fetch(`http://127.0.0.1:${port}/v1/decisions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body,
  });
  const ms = performance.now() - begun;
  const answer = (await response.json()) as { degraded: unknown; actions: { actionId: string }[] };
  if (response.status !== 201) return { ms, status: response.status, degraded: false, isEmpty: true, isPresumed: false };
  return {
    ms,
    status: 201,
    degraded: answer.degraded !== null,
    isEmpty: answer.actions.length === 0,
    isPresumed: answer.actions.some(({ actionId }) => !defaults.has(actionId)),
  };
};

const untilFresh = async (deps: Parameters<typeof decideWithoutRedis>[0]): Promise<number> => {
  const begun = performance.now();
  while (performance.now() - begun < 20_000) {
    if (!(await ask(deps, deps.bodies[0]!)).degraded) return Math.round(performance.now() - begun);
    await delay(20);
  }
  return Infinity;
};

const summary = (all: readonly Answered[], healedMs: number): WithoutRedis => {
  const times = all.map(({ ms }) => ms).toSorted((a, b) => a - b);
  const share = (of: (answer: Answered) => boolean): number => Number((all.filter(of).length / all.length).toFixed(4));
  const at = (quantile: number): number => Number(times[Math.min(times.length - 1, Math.floor(times.length * quantile))]!.toFixed(1));
  return {
    answered: all.length,
    errors: all.filter(({ status }) => status !== 201).length,
    degradedShare: share(({ degraded }) => degraded),
    nonEmptyShare: share(({ isEmpty }) => !isEmpty),
    presumed: all.filter(({ isPresumed }) => isPresumed).length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
    inTimeShare: share(({ ms }) => ms <= DEADLINE_MS + 10),
    healedMs,
  };
};
