/** `attune demo`: the telecom simulator sends traffic through the public API of a running system, and tells how the loop does. */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { AttuneError, DAY_MS } from '#contracts';
import { createWorld, startTraffic } from '#simulator';
import type { Config } from '../config.ts';
import { liveLine } from '../demo/live-line.ts';
import { createLatencies } from '../demo/rates.ts';
import { refuseRealEngines } from '../demo/refuse-real-engines.ts';
import { runRole, tellSupervisor } from '../run-role.ts';

const CUSTOMERS = 10_000;
/** A simulated day takes 43 s: most answers come within a second, the latest after minutes. */
const TIME_SCALE = 2_000;
const LIFE_EVENTS_PER_SECOND = 20;
const LATENCIES = 4_000;
const LIVE_MS = 1_000;

export const demo = (config: Config, args: readonly string[]): Promise<void> =>
  runRole('demo', config, async (log) => {
    const { values } = parseArgs({
      args: [...args],
      options: {
        url: { type: 'string' },
        rate: { type: 'string', default: '40' },
        seed: { type: 'string', default: '1' },
        customers: { type: 'string', default: String(CUSTOMERS) },
        force: { type: 'boolean', default: false },
      },
    });
    refuseRealEngines(config, values.force);
    const url = values.url ?? `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${config.port}`;
    const apiKey = keyForDemo(config.apiKeys);
    const startMs = Date.UTC(2026, 0, 5);
    const customers = positive('customers', values.customers);
    const world = createWorld({
      seed: positive('seed', values.seed),
      customers,
      startMs,
      perCustomerDay: (LIFE_EVENTS_PER_SECOND * DAY_MS) / (customers * TIME_SCALE * 1_000),
    });
    await untilReady(url);

    const tally = { model: { successes: 0, trials: 0 }, random: { successes: 0, trials: 0 }, untouched: { successes: 0, trials: 0 } };
    const latencies = createLatencies(LATENCIES);
    let decisions = 0;
    let failures = 0;
    let modelVersion = 'priors';
    const traffic = await startTraffic({
      url,
      apiKey,
      world,
      startMs,
      run: `demo-${Date.now().toString(36)}`,
      decisionsPerSecond: positive('rate', values.rate),
      timeScale: TIME_SCALE,
      clock: Date.now,
      onDecision(decision, latencyMs) {
        decisions++;
        latencies.add(latencyMs);
        if (decision.group === 'model') ({ modelVersion } = decision);
      },
      onResponse({ group }, { outcome }) {
        if (outcome === 'impression') tally[group].trials++;
        if (outcome === 'accepted') tally[group].successes++;
      },
      onFailure(reason) {
        if (failures++ % 100 === 0) log.warn(`a request failed: ${reason}`);
      },
    });

    let before = { decisions: 0, atMs: performance.now() };
    const report = async (): Promise<void> => {
      const atMs = performance.now();
      const decisionsPerSecond = ((decisions - before.decisions) * 1_000) / (atMs - before.atMs);
      before = { decisions, atMs };
      const snapshot = await snapshotOf(url, apiKey, modelVersion);
      const text = liveLine({
        decisionsPerSecond,
        model: tally.model,
        random: tally.random,
        modelVersion,
        snapshot,
        p50Ms: latencies.quantile(0.5),
        p99Ms: latencies.quantile(0.99),
        failures,
      });
      if (process.connected) tellSupervisor({ kind: 'live', text });
      else log.info(text);
    };
    const timer = setInterval(() => void report(), LIVE_MS);
    return {
      detail: `${world.customers.length} simulated customers, ${values.rate} decisions/s through ${url}`,
      port: null,
      async stop() {
        clearInterval(timer);
        await traffic.stop();
      },
    };
  });

const READY_MS = 60_000;

const untilReady = async (url: string): Promise<void> => {
  for (const endMs = performance.now() + READY_MS; performance.now() < endMs; await delay(100)) {
    const response = await fetch(`${url}/readyz`).catch(() => null);
    await response?.arrayBuffer();
    if (response?.ok === true) return;
  }
  throw new AttuneError('demo.no-api', `${url}/readyz is not ready; start the system first (npm start -- --no-demo)`);
};

/** Null when it is not told: the line goes without it. */
const snapshotOf = async (url: string, apiKey: string | null, version: string): Promise<number | null> => {
  try {
    const response = await fetch(`${url}/v1/models`, { headers: apiKey === null ? {} : { authorization: `Bearer ${apiKey}` } });
    const body = (await response.json()) as { models?: readonly { version: string; snapshot?: number }[] };
    return body.models?.find((model) => model.version === version)?.snapshot ?? null;
  } catch {
    return null;
  }
};

/** The first key that may decide and observe; null where the API is open. */
const keyForDemo = (apiKeys: string): string | null => {
  for (const entry of apiKeys.split(',')) {
    const [, scopes = '', ...secret] = entry.trim().split(':');
    if (scopes.includes('decide') && scopes.includes('observe')) return secret.join(':');
  }
  return null;
};

const positive = (name: string, text: string): number => {
  const value = Number(text);
  if (value > 0) return value;
  throw new AttuneError('config.invalid', `--${name} must be a positive number, not '${text}'`);
};
