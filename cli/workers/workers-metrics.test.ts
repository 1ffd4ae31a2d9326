import { describe, expect, test } from 'vitest';
import { createMetricsGatherer } from './gather-metrics.ts';
import type { Telling } from './gather-metrics.ts';
import { mergeMetrics } from './merge-metrics.ts';
import type { ToWorker } from './messages.ts';

const family = (name: string, worker: string, value: number): string =>
  `# HELP ${name} What it is\n# TYPE ${name} counter\n${name}{worker="${worker}"} ${value}\n`;

/** A worker that keeps what it was told. */
const worker = (slot: number): Telling & { readonly told: ToWorker[] } => {
  const told: ToWorker[] = [];
  return { slot, told, tell: (message) => told.push(message) };
};

describe('the metrics of several workers', () => {
  test('samples of the same metric stand under one help and type', () => {
    const merged = mergeMetrics([`${family('a_total', '1', 3)}\n${family('b_total', '1', 4)}`, family('a_total', '2', 5)]);
    expect(merged).toBe(`${family('a_total', '1', 3)}a_total{worker="2"} 5\n${family('b_total', '1', 4)}`);
  });

  test('whoever asks is told of all that answer, and not kept waiting by one that does not', async () => {
    const [one, two, stuck] = [worker(1), worker(2), worker(3)];
    const gatherer = createMetricsGatherer({ workers: () => [one, two, stuck], own: () => family('own_total', '0', 1), patienceMs: 50 });
    gatherer.onMessage(two, { kind: 'metrics-wanted', id: 7 });
    for (const asked of [two, one]) {
      expect(asked.told).toEqual([{ kind: 'tell-metrics', id: 1 }]);
      gatherer.onMessage(asked, { kind: 'metrics-told', id: 1, text: family('a_total', String(asked.slot), asked.slot) });
    }
    await expect.poll(() => two.told.length).toBe(2);
    expect(two.told[1]).toEqual({
      kind: 'metrics-of-all',
      id: 7,
      text: `${family('a_total', '1', 1)}a_total{worker="2"} 2\n${family('own_total', '0', 1)}`,
    });
    expect(one.told).toHaveLength(1);
    // What comes too late harms nobody.
    gatherer.onMessage(stuck, { kind: 'metrics-told', id: 1, text: 'late' });
    expect(two.told).toHaveLength(2);
  });
});
