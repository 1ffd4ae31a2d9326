/** What an operator watches of the API, in Prometheus' words. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from '@prometheus-io/client';
import type { Clock } from '#contracts';
import type { OutboxStatus } from '#event-log';
import type { ShadowReport } from '../deciding/shadow.ts';
import { addOutboxMetrics } from './outbox-metrics.ts';

export interface Metrics {
  readonly registry: Registry;
  /** Counts a decision; `seconds` from the request's arrival to its durable receipt. */
  decided(group: string, degraded: readonly string[], seconds: number): void;
  /** Milliseconds until the log had the records. */
  appended(tookMs: number, records: number): void;
  observed(kind: 'events' | 'outcomes' | 'receipts', count: number): void;
  refused(status: number): void;
  faulted(what: 'catalog' | 'model' | 'record'): void;
}

export interface Gauged {
  /** Age of the serving posterior in seconds by loop. */
  readonly models: () => readonly {
    readonly loop: string;
    readonly version: string;
    readonly snapshot: number;
    readonly ageSeconds: number;
  }[];
  readonly shadow: () => readonly ShadowReport[];
  readonly controlsVersion: () => number;
  /** Null: the log is embedded and needs none. */
  readonly outbox: (() => OutboxStatus) | null;
  readonly clock: Clock;
}

const SECONDS = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1];

export const createMetrics = (gauged: Gauged): Metrics => {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: 'attune_' });
  // Counted in plain numbers, since hashing labels costs a microsecond; told when asked.
  const counts = new Map<string, { readonly group: string; readonly degraded: readonly string[]; count: number }>();
  new Counter({
    name: 'attune_decisions_total',
    help: 'Decisions answered',
    labelNames: ['group', 'degraded'],
    registers,
    collect() {
      this.reset();
      for (const { group, degraded, count } of counts.values())
        this.inc({ group, degraded: degraded.length === 0 ? 'none' : degraded.join('+') }, count);
    },
  });
  const latency = new Histogram({
    name: 'attune_decision_seconds',
    help: 'From arrival to the durable receipt',
    buckets: SECONDS,
    registers,
  });
  const append = new Histogram({
    name: 'attune_log_append_seconds',
    help: 'Until a group of records was durable',
    buckets: SECONDS,
    registers,
  });
  const appendedRecords = new Counter({ name: 'attune_log_records_total', help: 'Records that the log took', registers });
  const accepted = new Counter({
    name: 'attune_accepted_total',
    help: 'Events, outcomes and delivery receipts accepted',
    labelNames: ['kind'],
    registers,
  });
  const refusals = new Counter({
    name: 'attune_refused_total',
    help: 'Requests answered with 4xx or 5xx',
    labelNames: ['status'],
    registers,
  });
  const faults = new Counter({
    name: 'attune_faults_total',
    help: 'Catalogs, models and records that were not taken',
    labelNames: ['what'],
    registers,
  });
  new Gauge({
    name: 'attune_model_snapshot_age_seconds',
    help: 'Age of the posterior that serves',
    labelNames: ['loop', 'version'],
    registers,
    collect() {
      this.reset();
      for (const model of gauged.models()) this.set({ loop: model.loop, version: model.version }, model.ageSeconds);
    },
  });
  new Gauge({
    name: 'attune_model_snapshot',
    help: 'Number of the posterior that serves',
    labelNames: ['loop', 'version'],
    registers,
    collect() {
      this.reset();
      for (const model of gauged.models()) this.set({ loop: model.loop, version: model.version }, model.snapshot);
    },
  });
  new Gauge({
    name: 'attune_shadow_decisions',
    help: 'Decisions that a challenger has decided again',
    labelNames: ['loop', 'version'],
    registers,
    collect() {
      this.reset();
      for (const { loop, version, decisions } of gauged.shadow()) this.set({ loop, version }, decisions);
    },
  });
  new Gauge({
    name: 'attune_shadow_p99_seconds',
    help: 'Time of a decision without reading and recording, by the challenger and by the champion on the same requests',
    labelNames: ['loop', 'version', 'of'],
    registers,
    collect() {
      this.reset();
      for (const { loop, version, latencyUs, championLatencyUs } of gauged.shadow()) {
        this.set({ loop, version, of: 'challenger' }, latencyUs.p99 / 1e6);
        this.set({ loop, version, of: 'champion' }, championLatencyUs.p99 / 1e6);
      }
    },
  });
  new Gauge({
    name: 'attune_controls_version',
    help: 'Version of the controls in force',
    registers,
    collect() {
      this.set(gauged.controlsVersion());
    },
  });

  if (gauged.outbox !== null) addOutboxMetrics(registry, { status: gauged.outbox, clock: gauged.clock });

  return {
    registry,
    decided(group, degraded, seconds) {
      const name = degraded.length === 0 ? group : `${group}:${degraded.join('+')}`;
      const counted = counts.get(name);
      if (counted === undefined) counts.set(name, { group, degraded, count: 1 });
      else counted.count++;
      latency.observe(seconds);
    },
    appended(tookMs, records) {
      append.observe(tookMs / 1_000);
      appendedRecords.inc(records);
    },
    observed(kind, count) {
      accepted.inc({ kind }, count);
    },
    refused(status) {
      refusals.inc({ status: String(status) });
    },
    faulted(what) {
      faults.inc({ what });
    },
  };
};
