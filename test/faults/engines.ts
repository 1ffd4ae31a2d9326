/**
 * Faults on the production engines: three Kafka brokers, Redis with an append-only file, a warehouse, two pipelines, an API of two workers, under
 * steady load; each round one of them is killed, paused or cut off at a random moment. At the end the client's own ledger is held against
 * state, learner and warehouse. `npm run test:faults -- --engines [--short] [--rounds N] [--seed N] [--only fault]`; last line JSON.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { READER, openWarehouse } from '#warehouse';
import { untilReady } from '../system.ts';
import { startDistributedSystem, timeUntil } from './distributed-system.ts';
import type { DistributedSystem } from './distributed-system.ts';
import { startClient } from './ledger.ts';
import { reconcile } from './reconcile.ts';

export interface EngineFaultOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly keep: boolean;
  readonly only?: string | undefined;
}

type Fault = (system: DistributedSystem, random: () => number) => Promise<string>;

const between = (random: () => number, low: number, high: number): number => low + random() * (high - low);
const pick = <T>(random: () => number, all: readonly T[]): T => all[Math.floor(random() * all.length)]!;

/** Each resolves when what it did is over (a killed broker runs again), with what it did in words. */
const FAULTS: Readonly<Record<string, Fault>> = {
  async pipeline({ pipelines }, random) {
    const index = Math.floor(random() * pipelines.length);
    pipelines[index]!.kill();
    return `kill -9 of pipeline ${index}`;
  },
  async worker(system, random) {
    const pid = pick(random, system.workerPids());
    if (pid === undefined) return 'no API worker is up';
    process.kill(pid, 'SIGKILL');
    return `kill -9 of API worker ${pid}`;
  },
  async broker({ kafka }, random) {
    const index = Math.floor(random() * 3);
    await kafka.kill(index);
    const downMs = between(random, 2_000, 6_000);
    await delay(downMs);
    await kafka.start(index);
    return `kill -9 of broker ${index}, started again after ${seconds(downMs)}`;
  },
  async redis({ redis }, random) {
    const lost = await redis.crash(1_000);
    const downMs = between(random, 200, 2_500);
    await delay(downMs);
    await redis.start();
    return `death of Redis's machine, the last second (${lost} bytes) of its file lost, started again after ${seconds(downMs)}`;
  },
  async warehouse({ warehouseProcess }) {
    warehouseProcess.kill();
    return 'kill -9 of the warehouse';
  },
  async pausedBroker({ kafka }, random) {
    const index = Math.floor(random() * 3);
    const pausedMs = between(random, 2_000, 8_000);
    kafka.pause(index);
    await delay(pausedMs);
    kafka.resume(index);
    return `broker ${index} paused for ${seconds(pausedMs)}`;
  },
  async cutKafka({ kafkaProxies }, random) {
    const closedMs = between(random, 0, 3_000);
    for (const proxy of kafkaProxies) proxy.close();
    await delay(closedMs);
    for (const proxy of kafkaProxies) proxy.open();
    return `every connection to Kafka cut for ${seconds(closedMs)}`;
  },
  async cutRedis({ redisProxy }, random) {
    const closedMs = between(random, 0, 3_000);
    redisProxy.close();
    await delay(closedMs);
    redisProxy.open();
    return `every connection to Redis cut for ${seconds(closedMs)}`;
  },
  async rebalances(system, random) {
    const passing = [];
    for (let i = 0; i < 3; i++) {
      const child = system.startPassingPipeline(`passing-${i}`);
      passing.push(child);
      await delay(between(random, 1_000, 3_000));
      if (random() < 0.5) child.kill('SIGKILL');
      else child.kill('SIGTERM');
    }
    await Promise.all(passing.filter((child) => child.exitCode === null && child.signalCode === null).map((child) => once(child, 'exit')));
    return 'a storm of rebalances: three pipelines came and went';
  },
};

export const runEngineFaults = async ({ rounds, seed: firstSeed, keep, only }: EngineFaultOptions): Promise<boolean> => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-engine-faults-'));
  const system = await startDistributedSystem({ dir, pipelines: 2, workers: 2 });
  const { url: warehouseUrl, readerPassword } = system.warehouse;
  const warehouse = openWarehouse({ url: warehouseUrl, username: READER, password: readerPassword, database: 'attune' });
  let seed = firstSeed >>> 0;
  const random = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32;
  };
  // Steady, and little: engines and roles share the machine with it. Many customers: one keeps its last eight open decisions, and what waits in
  // an outbox for a minute must not find its own pushed out.
  const client = startClient({ url: system.url, customers: 2_000, workers: 4, run: 'f', seed: firstSeed, pauseMs: 100 });
  const names = only === undefined ? Object.keys(FAULTS) : [only];
  const recoveries = new Map<string, number[]>();
  let stuck = 0;
  for (let round = 0; round < rounds; round++) {
    await delay(between(random, 500, 2_500));
    const name = names[round % names.length]!;
    const begun = performance.now();
    const what = await FAULTS[name]!(system, random);
    const faultMs = performance.now() - begun;
    const recoveryMs = await timeToFresh(system.url, `canary-${firstSeed}-${round}`);
    if (recoveryMs === Infinity) stuck++;
    recoveries.set(name, [...(recoveries.get(name) ?? []), recoveryMs]);
    const { ledger } = client;
    console.log(
      `round ${round + 1} of ${rounds}: ${what}${faultMs > 1_000 ? ` (${seconds(faultMs)})` : ''}; fresh after ${seconds(recoveryMs)}; ` +
        `${ledger.decisions.size} decisions, ${ledger.degraded} degraded, ${ledger.retries} retries, ${ledger.decisions5xx.length} answered 5xx`,
    );
  }
  await untilReady(system.url);
  await client.stop();
  const { ledger } = client;
  const verdict = await reconcile({ url: system.url, warehouse, ledger });
  await warehouse.close();
  const good =
    verdict.lost === 0 &&
    verdict.doubled === 0 &&
    stuck === 0 &&
    ledger.refused.length === 0 &&
    ledger.changed.length === 0 &&
    ledger.decisions5xx.length === 0;
  for (const line of [...verdict.differences, ...[...ledger.refused, ...ledger.changed, ...ledger.decisions5xx].slice(0, 10)])
    console.log(line);
  if (!good) console.log(system.tail.slice(-60).join('\n'));
  await system.stop();
  if (good && !keep) rmSync(dir, { recursive: true, force: true });
  else console.log(`the data stay in ${dir}`);
  console.log(
    JSON.stringify({
      bench: 'faults-engines',
      rounds,
      lost: verdict.lost,
      doubled: verdict.doubled,
      decisions5xx: ledger.decisions5xx.length,
      refused: ledger.refused.length,
      changedDecisions: ledger.changed.length,
      inputs: [...ledger.events.values()].reduce((sum, n) => sum + n, 0) + ledger.decisions.size + ledger.outcomes.size,
      decisions: ledger.decisions.size,
      degraded: ledger.degraded,
      without: ledger.without,
      unclaimed: ledger.unclaimed.length,
      retries: ledger.retries,
      recoveryMs: Object.fromEntries(
        [...recoveries].map(([name, all]) => [name, { median: Math.round(median(all)), max: Math.round(Math.max(...all)) }]),
      ),
    }),
  );
  return good;
};

/** From now until an event, sent until it is acknowledged, stands in its customer's state as the API reads it, and a decision is not degraded. */
const timeToFresh = async (url: string, customerId: string): Promise<number> => {
  const body = JSON.stringify({
    specversion: '1.0',
    id: customerId,
    source: '/canary',
    type: 'order.completed',
    subject: customerId,
    data: { offerId: 'not-an-offer', amount: 1 },
  });
  let isAcknowledged = false;
  return timeUntil(async () => {
    if (!isAcknowledged) {
      const headers = { 'content-type': 'application/cloudevents+json' };
      isAcknowledged = (await fetch(`${url}/v1/events`, { method: 'POST', headers, body, signal: AbortSignal.timeout(2_000) })).ok;
    }
    const response = await fetch(`${url}/v1/customers/${customerId}`, { signal: AbortSignal.timeout(2_000) });
    if (!response.ok) return false;
    const { features } = (await response.json()) as { features: Record<string, number> };
    return (features['orders365d'] ?? 0) >= 1;
  }, 90_000);
};

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? NaN;
