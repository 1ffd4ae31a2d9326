import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Registry } from '@prometheus-io/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { roleMetrics } from '../cli/pipeline-health/role-metrics.ts';
import { createIngestMetrics } from '../pipeline/ingest/ingest-metrics.ts';
import { addOutboxMetrics } from '../serving/metrics/outbox-metrics.ts';
import { embeddedEnv } from '../test/embedded-env.ts';
import { freePort } from '../test/free-port.ts';

const at = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const read = (name: string): string => readFileSync(at(name), 'utf8');

/** Told by Prometheus itself, and by the exporter beside Redis. */
const OF_OTHERS = new Set(['up', 'redis_up', 'redis_memory_used_bytes', 'redis_memory_max_bytes']);
interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: { readonly severity?: string };
  readonly annotations?: { readonly summary?: string; readonly action?: string };
}
const rules = (parse(read('prometheus/attune-rules.yml')) as { groups: readonly { rules: readonly Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}
const panels = (JSON.parse(read('grafana/dashboards/attune.json')) as { panels: readonly Panel[] }).panels;

/** The metrics that an expression asks for: words before `{`, `[` or an operator that are no function, label or keyword. */
const metricsOf = (expr: string): readonly string[] =>
  [
    ...expr
      .replaceAll(/"[^"]*"/g, '')
      .replaceAll(/\{[^}]*\}/g, '')
      .replaceAll(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, '')
      .replaceAll(/\[[^\]]*\]/g, '')
      .matchAll(/[a-z_][\w:]*(?!\w*\s*\()/gi),
  ]
    .map(([word]) => word)
    .filter((word) => !['and', 'or', 'unless', 'sum', 'max', 'min'].includes(word));

const recorded = new Set(rules.flatMap((rule) => rule.record ?? []));
const asked = new Set(
  [...rules.map((rule) => rule.expr), ...panels.flatMap((panel) => (panel.targets ?? []).map(({ expr }) => expr))].flatMap(metricsOf),
);

describe('what Prometheus and Grafana ask for', () => {
  const children: ChildProcess[] = [];
  const dir = mkdtempSync(join(tmpdir(), 'attune-metrics-'));
  const told = new Set<string>();

  const scrape = async (args: readonly string[], port: number): Promise<void> => {
    const env = {
      ...embeddedEnv(),
      ATTUNE_DATA_DIR: dir,
      ATTUNE_PORT: String(port),
      ATTUNE_PIPELINE_PORT: String(port),
      ATTUNE_LOG_LEVEL: 'error',
    };
    children.push(spawn(process.execPath, [at('../cli/attune.mjs'), ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] }));
    const url = `http://127.0.0.1:${port}`;
    for (let i = 0; (await fetch(`${url}/readyz`).catch(() => null))?.status !== 200; i++) {
      if (i > 600) throw new Error(`attune ${args.join(' ')} is not ready after a minute`);
      await delay(100);
    }
    for (const [, name, kind] of (await (await fetch(`${url}/metrics`)).text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
      for (const suffix of kind === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']) told.add(`${name}${suffix}`);
    }
  };
  beforeAll(async () => {
    await scrape(['serve', '--workers', '2'], await freePort());
    await scrape(['pipeline', '--roles', 'ingest,state,learn,record'], await freePort());
    // There is an outbox only where Kafka is the log.
    const outbox = new Registry();
    addOutboxMetrics(outbox, {
      status: () => ({ circuit: 'closed', records: 0, bytes: 0, limitBytes: 1, oldestMs: null, forwarded: 0, full: 0, refused: 0 }),
      clock: () => 0,
    });
    for (const { name } of await outbox.getMetricsAsJSON()) told.add(name);
    // Likewise the operator's own topics.
    const ingest = roleMetrics([{ name: 'ingest', metrics: () => ({ ...createIngestMetrics(), sources: 0, lag: 0 }) }]);
    for (const [, name] of ingest.matchAll(/^# TYPE (\S+)/gm)) told.add(name!);
  }, 120_000);
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  test('is what the product tells', () => {
    const missing = [...asked].filter((name) => !told.has(name) && !recorded.has(name) && !OF_OTHERS.has(name));
    expect(missing).toEqual([]);
    expect(asked.size).toBeGreaterThan(30);
  });

  test('an alert says how urgent it is, what is wrong and what to do', () => {
    const alerts = rules.filter((rule) => rule.alert !== undefined);
    expect(alerts.length).toBeGreaterThan(15);
    for (const { alert, labels, annotations } of alerts) {
      expect(labels?.severity, alert).toMatch(/^(page|ticket)$/);
      expect(annotations?.summary, alert).toMatch(/\.$/);
      expect(annotations?.action, alert).toMatch(/\.$/);
    }
  });

  test('what an expression asks for is found in it', () => {
    expect(metricsOf('histogram_quantile(0.99, sum by (le) (rate(a_bucket{x="y"}[5m]))) > 0.25 and max(b:c) or vector(0)')).toEqual([
      'a_bucket',
      'b:c',
    ]);
  });
});

const promtool = (...args: readonly string[]) => promisify(execFile)('promtool', args, { cwd: at('prometheus') });
const hasPromtool = await promtool('--version').then(
  () => true,
  () => false,
);

describe.skipIf(!hasPromtool)('by promtool (skipped where it is absent; Debian: apt-get install prometheus)', () => {
  test('the configuration and the rules are valid', async () => {
    expect((await promtool('check', 'config', 'prometheus.yml')).stdout).toMatch(/SUCCESS/);
  });

  test('a healthy system is quiet, a sick one is told of', async () => {
    expect((await promtool('test', 'rules', 'attune-rules.test.yml')).stdout).toMatch(/SUCCESS/);
  });
});
