/** The outbox in Prometheus' words: how much waits, for how long, and whether the log answers. */
import { Counter, Gauge, type Registry } from '@prometheus-io/client';
import type { Clock } from '#contracts';
import type { OutboxStatus } from '#event-log';

export interface OutboxMetricsDeps {
  readonly status: () => OutboxStatus;
  readonly clock: Clock;
}

const STATES = { closed: 0, 'half-open': 1, open: 2 } as const;

export const addOutboxMetrics = (registry: Registry, { status, clock }: OutboxMetricsDeps): void => {
  const registers = [registry];
  const gauge = (name: string, help: string, value: (of: OutboxStatus) => number, aggregator: 'sum' | 'max' = 'sum'): void => {
    new Gauge({
      name: `attune_outbox_${name}`,
      help,
      registers,
      aggregator,
      collect() {
        this.set(value(status()));
      },
    });
  };
  const counter = (name: string, help: string, value: (of: OutboxStatus) => number): void => {
    new Counter({
      name: `attune_outbox_${name}_total`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value(status()));
      },
    });
  };
  gauge('records', 'Acknowledged records that wait on the disk for the event log', ({ records }) => records);
  // Of the whole machine: each process tells the same.
  gauge('bytes', 'Size of the files in which they wait', ({ bytes }) => bytes, 'max');
  gauge('limit_bytes', 'What they may reach before requests are refused (ATTUNE_OUTBOX_MB)', ({ limitBytes }) => limitBytes, 'max');
  gauge(
    'oldest_seconds',
    'Since when the oldest of them waits; 0 when none does',
    ({ oldestMs }) => (oldestMs === null ? 0 : Math.max(0, clock() - oldestMs) / 1_000),
    'max',
  );
  gauge(
    'circuit',
    '0 closed: the event log answers; 1 half-open: it is tried; 2 open: it does not',
    ({ circuit }) => STATES[circuit],
    'max',
  );
  counter('forwarded', 'Records that waited and that the event log has taken', ({ forwarded }) => forwarded);
  counter('full', 'Appends refused because the outbox held as much as it may', ({ full }) => full);
  counter('refused', 'Records that the event log will never take, set aside', ({ refused }) => refused);
};
