/** Law 4 for the operator's own topics: ingest may append its records again from any place it had reached, and each counts once. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TOPICS, eventCodec, ingestId, ingestSource } from '#contracts';
import {
  decodeState,
  encodeState,
  evaluateFeatures,
  emptyState,
  positionPrefixOf,
  isCounted,
  moveMark,
  sourceMarkOf,
  MAX_MARKS,
} from '#feature-store';
import type { CustomerState } from '#feature-store';
import { START_MS, anEvent, customerKey, telco } from '../test-world.ts';
import { decodeStep } from './decode-step.ts';
import { foldCustomer } from './fold-customer.ts';

const facts = telco();
const CUSTOMER = 'c-1';
const NAME = 'usage';

const usage = (partition: number, offset: number, source = ingestSource(NAME, 'life1')): Buffer => {
  const plain = eventCodec.decode(Buffer.from(anEvent(CUSTOMER, 'x', 'usage.recorded', { dataMb: 1 }).value));
  return eventCodec.encode({ ...plain, source, id: ingestId('cdr.usage', partition, offset) });
};
const ofApi = (number: number): Buffer => Buffer.from(anEvent(CUSTOMER, `api-${number}`, 'usage.recorded', { dataMb: 1_000 }).value);

/** Folds in batches of these lengths, stored in between. */
const foldAll = (values: readonly Buffer[], batches: readonly number[]): { state: CustomerState; duplicates: number } => {
  let stored: Buffer | null = null;
  let duplicates = 0;
  for (let from = 0, batch = 0; from < values.length; batch++) {
    const length = batches[batch % batches.length]!;
    const inputs = values.slice(from, from + length).flatMap((value, i) => {
      const record = { topic: TOPICS.events, partition: 0, offset: from + i, timestampMs: START_MS, key: null, value };
      const step = decodeStep(record);
      return step.kind === 'ok' ? [step.value] : [];
    });
    const { work, results } = foldCustomer({
      key: customerKey(CUSTOMER),
      shard: 0,
      nowMs: START_MS,
      desk: null,
      refused: new Set(),
      facts,
      log: { epoch: 1 },
      stored,
      inputs,
      waiting: new Map(),
    });
    for (const result of results) if (result.kind === 'drop' && result.reason === 'duplicate') duplicates++;
    stored = encodeState(work.state, START_MS);
    from += length;
  }
  return { state: decodeState(stored!, facts.featureSet), duplicates };
};

const dataMb = (state: CustomerState): number =>
  Math.round(evaluateFeatures(state.registers, state.featureSet, START_MS)[state.featureSet.names.indexOf('dataMb30d')]!);

describe('records of the operator’s topics', () => {
  test('count once, wherever ingest begins again, however much it had appended, whatever comes between', () => {
    const runs = fc.array(
      fc.record({
        partition: fc.nat(2),
        /** How far back of what it had reached it begins, and how far it then gets. */
        back: fc.nat(150),
        length: fc.integer({ min: 1, max: 120 }),
        between: fc.nat(4),
      }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(runs, fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 4 }), (drawn, batches) => {
        const reached = [0, 0, 0];
        const values: Buffer[] = [];
        let api = 0;
        for (const { partition, back, length, between } of drawn) {
          const from = Math.max(0, reached[partition]! - back);
          for (let offset = from; offset < from + length; offset++) values.push(usage(partition, offset));
          reached[partition] = Math.max(reached[partition]!, from + length);
          for (let i = 0; i < between; i++) values.push(ofApi(api++));
        }
        const once = reached.reduce((sum, count) => sum + count, 0);
        const { state, duplicates } = foldAll(values, batches);
        expect(dataMb(state)).toBe(once + api * 1_000);
        expect(duplicates).toBe(values.length - once - api);
      }),
      { seed: 11, numRuns: 60 },
    );
  });

  test('two members that append the same records side by side do no harm', () => {
    const interleaved = fc.array(fc.boolean(), { minLength: 80, maxLength: 80 });
    fc.assert(
      fc.property(interleaved, (turns) => {
        const next = [0, 0];
        const values = turns.map((second) => usage(0, next[second ? 1 : 0]!++));
        expect(dataMb(foldAll(values, [13]).state)).toBe(Math.max(...next));
      }),
      { seed: 12, numRuns: 60 },
    );
  });

  test('a topic that was deleted and made again is another one', () => {
    const values = [
      ...[0, 1, 2].map((offset) => usage(0, offset)),
      ...[0, 1].map((offset) => usage(0, offset, ingestSource(NAME, 'life2'))),
    ];
    expect(dataMb(foldAll(values, [2]).state)).toBe(5);
  });

  test('they leave the ring of ids to those who send by themselves', () => {
    const { state } = foldAll([ofApi(1), ...Array.from({ length: 200 }, (_, i) => usage(0, i)), ofApi(1)], [50]);
    expect(state.ring.hashes).toHaveLength(1);
    expect(dataMb(state)).toBe(1_200);
  });

  test('a customer without such records has the bytes that it had', () => {
    const bytes = encodeState(foldAll([ofApi(1)], [1]).state, START_MS);
    const version = bytes[positionPrefixOf(bytes)!.length];
    expect(version).toBe(1);
    const more = encodeState(foldAll([ofApi(1), usage(3, 70_000)], [2]).state, START_MS);
    expect(more.length - bytes.length).toBeLessThan(14);
  });

  test('the marks that moved last are kept', () => {
    const state = emptyState(facts.featureSet);
    const source = sourceMarkOf('s');
    for (let partition = 0; partition <= MAX_MARKS; partition++) moveMark(state, { source, partition, offset: 9 });
    moveMark(state, { source, partition: 1, offset: 10 });
    expect(state.marks).toHaveLength(MAX_MARKS);
    expect(isCounted(state, { source, partition: 0, offset: 9 })).toBe(false);
    expect(isCounted(state, { source, partition: 1, offset: 10 })).toBe(true);
    expect(isCounted(state, { source, partition: 1, offset: 11 })).toBe(false);
  });
});
