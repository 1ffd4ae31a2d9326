import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EngineUnavailable, NO_PAIR, TOPICS } from '#contracts';
import { openLmdbLog, type LmdbEventLog } from '#event-log';
import { openLmdbFeatureStore, type FeatureStore } from '#feature-store';
import { createLearner, genericEncoder, restoreLearner } from '#models';
import { createLearnRole, createRecordRole, createRetentionTask, createStateMetrics, SILENT } from '#pipeline';
import { openWarehouse, type Warehouse } from '#warehouse';
import { telco } from '../../pipeline/test-world.ts';
import { watchBacklog } from './backlog.ts';
import { metricWords } from './metric-words.ts';
import { openPipelineHealth } from './pipeline-health.ts';
import { roleMetrics } from './role-metrics.ts';
import { serveHealth } from './serve-health.ts';

const dir = mkdtempSync(join(tmpdir(), 'attune-health-'));
let log: LmdbEventLog;
let store: FeatureStore;
let warehouse: Warehouse;
beforeAll(async () => {
  log = await openLmdbLog({ dir: join(dir, 'log'), partitions: 2 });
  store = await openLmdbFeatureStore({ dir: join(dir, 'store'), partitions: 2 });
  warehouse = openWarehouse({ url: 'http://127.0.0.1:1' });
});
afterAll(async () => {
  await warehouse.close();
  await store.close();
  await log.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('the roles’ metrics', () => {
  test('each has a name that tells its unit and kind, a help and a type', () => {
    const text = roleMetrics([
      { name: 'state', metrics: () => ({ timersFired: 3, lagMs: 1_500, somethingNew: Number.POSITIVE_INFINITY }) },
    ]);
    expect(text.split('\n')).toEqual([
      '# HELP attune_state_timers_fired_total Timers that came due',
      '# TYPE attune_state_timers_fired_total counter',
      'attune_state_timers_fired_total 3',
      '# HELP attune_state_lag_seconds From the log’s taking of the last record to its commit',
      '# TYPE attune_state_lag_seconds gauge',
      'attune_state_lag_seconds 1.5',
      '# HELP attune_state_something_new somethingNew of the role state',
      '# TYPE attune_state_something_new gauge',
      'attune_state_something_new NaN',
      '',
    ]);
  });

  test('samples of one name with several labels stand together under one help', () => {
    const metrics = { 'driftPsi{loop="",field="a\\"b"}': 0.3, loops: 2, 'driftPsi{loop="x",field="c"}': 0.1 };
    expect(roleMetrics([{ name: 'learn', metrics: () => metrics }]).split('\n')).toEqual([
      expect.stringMatching(/^# HELP attune_learn_drift_psi Population/),
      '# TYPE attune_learn_drift_psi gauge',
      'attune_learn_drift_psi{loop="",field="a\\"b"} 0.3',
      'attune_learn_drift_psi{loop="x",field="c"} 0.1',
      expect.stringMatching(/^# HELP attune_learn_loops/),
      '# TYPE attune_learn_loops gauge',
      'attune_learn_loops 2',
      '',
    ]);
  });

  test('nothing that a role counts is left undescribed', () => {
    const shared = { log, store, clock: Date.now, logger: SILENT };
    const learn = createLearnRole({
      ...shared,
      dir: join(dir, 'learner'),
      createLearner: (loop) => createLearner({ loop, encoder: genericEncoder() }),
      restoreLearner,
      featureSet: () => telco().featureSet,
      personal: () => new Set(),
      profiles: async () => null,
    });
    const record = createRecordRole({
      ...shared,
      warehouse,
      featureNames: async () => null,
      catalogActions: async () => null,
      viewOf: async () => ({ attributes: {}, pair: () => NO_PAIR }),
      eventTypes: () => {
        throw new Error('no event is read here');
      },
      isPersonal: () => false,
    });
    const retention = createRetentionTask({ ...shared, retentionDays: 30 });
    const counted = [
      ['state', createStateMetrics()],
      ['learn', learn.metrics()],
      ['record', record.metrics()],
      ['retention', retention.metrics()],
    ] as const;
    const undescribed = counted.flatMap(([role, metrics]) =>
      Object.keys(metrics)
        .filter((name) => metricWords(role, name) === null)
        .map((name) => `${role}.${name}`),
    );
    expect(undescribed, 'describe it in cli/pipeline-health/metric-words.ts').toEqual([]);
  });

  test('a group’s backlog is what it has yet to read, and unknown while the log is away', async () => {
    await log.append([{ topic: TOPICS.events, shard: 0, value: Buffer.from('one') }]);
    const there = watchBacklog({ log, groups: [{ name: 'state', group: 'state', topics: [TOPICS.events] }] });
    const away = watchBacklog({
      log: { lag: async () => Promise.reject(new Error('away')) },
      groups: [{ name: 'state', group: 'state', topics: [] }],
    });
    await expect.poll(() => there.metrics()).toContain('attune_group_backlog_records{group="state"} 1\n');
    await expect.poll(() => away.metrics()).toContain('attune_group_backlog_records{group="state"} NaN\n');
    there.stop();
    away.stop();
  });
});

test('a log that answers nobody leaves no group’s backlog as it was', async () => {
  let isAway = false;
  const asking = {
    log: { lag: (): Promise<number> => (isAway ? new Promise(() => {}) : Promise.resolve(0)) },
    groups: ['state', 'learn', 'record'].map((name) => ({ name, group: name, topics: [] })),
    everyMs: 20,
    boundMs: 200,
  };
  const backlog = watchBacklog(asking);
  const told = (): number => backlog.metrics().match(/ NaN$/gm)?.length ?? 0;
  await expect.poll(() => backlog.metrics()).toContain('{group="record"} 0\n');
  isAway = true;
  await expect.poll(told, { timeout: 600, interval: 20 }).toBe(3);
  backlog.stop();
});

describe('the pipeline’s health', () => {
  test('it says while the feature store is away, and that it is back', async () => {
    const lines: string[] = [];
    const keep = (_: object, line: string): void => void lines.push(line);
    const health = await openPipelineHealth({ host: '127.0.0.1', port: 0, logger: { info: keep, warn: keep, error: keep } });
    const readiness = async (): Promise<string> => (await fetch(`http://127.0.0.1:${health.port}/readyz`)).text();
    let isAway = false;
    const holder = async (): Promise<null> => {
      if (isAway) throw new EngineUnavailable('feature-store', 'away');
      return null;
    };
    health.started([], { log, store: { ...store, leases: { ...store.leases, holder } } });
    expect(await readiness()).toBe('ok\n');
    isAway = true;
    await expect.poll(readiness, { timeout: 5_000 }).toBe('ok\ndegraded: features\n');
    isAway = false;
    await expect.poll(readiness, { timeout: 5_000 }).toBe('ok\n');
    expect(lines.join('\n')).toMatch(/^the feature store does not answer.*\nthe feature store answers again$/);
    await health.stop();
  });

  test('it is alive from the start, ready when its roles are, and shows its metrics', async () => {
    let missing: string | null = 'state has not started';
    const errors: unknown[] = [];
    let metrics = async (): Promise<string> => 'attune_state_records_total 1\n';
    const server = await serveHealth({
      host: '127.0.0.1',
      port: 0,
      missing: () => missing,
      degraded: () => [],
      metrics: () => metrics(),
      onError: (e) => errors.push(e),
    });
    const ask = async (path: string): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
      return `${response.status} ${await response.text()}`;
    };
    expect(await ask('/healthz')).toBe('200 ok\n');
    expect(await ask('/readyz')).toBe('503 not ready: state has not started\n');
    missing = null;
    expect(await ask('/readyz')).toBe('200 ok\n');
    expect(await ask('/metrics')).toBe('200 attune_state_records_total 1\n');
    metrics = () => Promise.reject(new Error('a role is gone'));
    expect(await ask('/metrics')).toMatch(/^500 /);
    expect(errors).toHaveLength(1);
    expect(await ask('/elsewhere')).toMatch(/^404 /);
    await server.stop();
  });
});
