import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDecisionId, DAY_MS, HOUR_MS, MINUTE_MS, NO_PAIR, type Contact, type DecisionId } from '#contracts';
import { loadProject } from '#project';
import { compileDefinitions, compileFeatures, type FeatureSet } from '../definitions/feature-set.ts';
import type { FeatureDefinition } from '../definitions/definitions.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { decodeState, encodeState } from './codec.ts';
import {
  addContact,
  addPending,
  countPair,
  emptyState,
  findPending,
  removePending,
  type CustomerState,
  type PendingDecision,
} from './customer-state.ts';
import { describeState } from './describe-state.ts';
import { evaluateFeatures } from './evaluate-features.ts';
import { foldEvent } from './fold-event.ts';
import { hasSeen, MAX_IDS, rememberId } from './identity-ring.ts';
import { positionPrefixOf, positionsOf } from './position.ts';
import { createRandom, sampleEvents, sampleState, type SampleEvent } from './sample-customers.ts';
import { bytesOfCustomer } from './size.ts';
import { viewOfState } from './view.ts';

const project = loadProject(new URL('../../catalog/telco', import.meta.url).pathname);
const telco = compileFeatures(project);
const NOW = 1_800_000_000_000;
const FROM = NOW - 200 * DAY_MS;
const atLoad = (state: CustomerState): CustomerState => decodeState(encodeState(state, NOW), telco);
const contentOf = (state: CustomerState): unknown => ({
  ...describeState(state, NOW + DAY_MS),
  ring: [state.ring.hashes.slice(state.ring.forgotten), state.ring.units.slice(state.ring.forgotten)],
  pending: state.pending,
  pairs: [...state.pairs].toSorted(([a], [b]) => a - b),
});

/** Relative to the larger of the two, with a floor for what has decayed to next to nothing. */
const expectClose = (a: Float32Array, b: Float32Array, names: readonly string[], relative: number): void => {
  for (let i = 0; i < a.length; i++) {
    const tolerance = relative * Math.max(Math.abs(a[i]!), Math.abs(b[i]!), 1);
    expect(Math.abs(a[i]! - b[i]!), `${names[i]}: ${a[i]} against ${b[i]}`).toBeLessThanOrEqual(tolerance);
  }
};

const shuffle = <T>(items: readonly T[], seed: number): T[] => {
  const random = createRandom(seed);
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
};

const fold = (events: readonly SampleEvent[], storeEvery = 0): CustomerState => {
  let state = emptyState(telco);
  events.forEach(({ event, data }, i) => {
    foldEvent(state, event, data);
    if (storeEvery > 0 && i % storeEvery === 0) state = atLoad(state);
  });
  return state;
};

describe('the state and the order of records (law 5)', () => {
  test('late and interleaved events give the same attributes, and features within 1e-4, however often the state is stored between', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), fc.integer({ min: 0, max: 5 }), (seed, order, storeEvery) => {
        const events = sampleEvents(createRandom(seed), { count: 150, fromMs: FROM, toMs: NOW });
        const inOrder = fold(events);
        const shuffled = fold(shuffle(events, order), storeEvery);
        expect(shuffled.attributes).toEqual(inOrder.attributes);
        for (const at of [NOW, NOW + 10 * DAY_MS, NOW + 100 * DAY_MS]) {
          expectClose(evaluateFeatures(shuffled.registers, telco, at), evaluateFeatures(inOrder.registers, telco, at), telco.names, 1e-4);
        }
      }),
      { seed: 11, numRuns: 60 },
    );
  });

  test('counts, extremes, last values and recencies do not depend on the order at all', () => {
    const exact = telco.features
      .filter(({ kind, definition }) => kind !== 'decay' && definition.aggregate !== 'sum')
      .map(({ index }) => index);
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (seed, order) => {
        const events = sampleEvents(createRandom(seed), { count: 100, fromMs: FROM, toMs: NOW });
        const a = evaluateFeatures(fold(events).registers, telco, NOW);
        const b = evaluateFeatures(fold(shuffle(events, order), 3).registers, telco, NOW);
        for (const i of exact) expect(b[i], telco.names[i]).toBe(a[i]);
      }),
      { seed: 12, numRuns: 40 },
    );
  });

  test('repeated records count once, by identity: any multiset of retries gives the state of the set', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.integer({ min: 0, max: 29 }), { maxLength: 30 }), fc.integer(), (seed, repeats, order) => {
        const events = sampleEvents(createRandom(seed), { count: 30, fromMs: NOW - 20 * HOUR_MS, toMs: NOW }).map((e, i) => ({
          ...e,
          id: `event:crm:${i}`,
        }));
        const apply = (records: readonly (SampleEvent & { id: string })[]): CustomerState => {
          let state = emptyState(telco);
          for (const { event, data, id } of records) {
            if (hasSeen(state, id)) continue;
            foldEvent(state, event, data);
            rememberId(state, id, event.receivedAt);
            state = atLoad(state);
          }
          return state;
        };
        const once = apply(events);
        const often = apply(shuffle([...events, ...repeats.map((i) => events[i]!)], order));
        expect(new Set(often.ring.hashes)).toEqual(new Set(once.ring.hashes));
        expect(often.ring.units).toEqual(once.ring.units);
        expect(often.attributes).toEqual(once.attributes);
        expectClose(evaluateFeatures(often.registers, telco, NOW), evaluateFeatures(once.registers, telco, NOW), telco.names, 1e-4);
      }),
      { seed: 13, numRuns: 40 },
    );
  });

  test('an event from the future counts as of when it was received, so it ages nothing', () => {
    const early = fold(sampleEvents(createRandom(1), { count: 60, fromMs: NOW - 20 * DAY_MS, toMs: NOW }));
    const calls = evaluateFeatures(early.registers, telco, NOW)[telco.names.indexOf('pageViews7d')]!;
    foldEvent(early, { type: 'page.viewed', time: NOW + 3_000 * DAY_MS, receivedAt: NOW }, { page: 'home' });
    expect(evaluateFeatures(early.registers, telco, NOW)[telco.names.indexOf('pageViews7d')]).toBeCloseTo(calls + 1, 4);
  });
});

describe('features', () => {
  const define = (over: Partial<FeatureDefinition>): FeatureSet =>
    compileDefinitions({
      attributes: [],
      actionIds: [],
      features: [
        {
          name: 'x',
          aggregate: 'count',
          event: 'e',
          when: null,
          field: null,
          halfLifeMs: null,
          windowMs: null,
          buckets: 6,
          unitMs: DAY_MS,
          default: 0,
          ...over,
        },
      ],
    });
  const evaluate = (set: FeatureSet, events: readonly (readonly [atMs: number, v: number])[], nowMs: number): number => {
    const state = emptyState(set);
    for (const [atMs, v] of events) foldEvent(state, { type: 'e', time: atMs, receivedAt: atMs }, { v });
    return evaluateFeatures(decodeState(encodeState(state, nowMs), set).registers, set, nowMs)[0]!;
  };
  const history = fc.array(fc.tuple(fc.integer({ min: NOW - 60 * DAY_MS, max: NOW }), fc.integer({ min: -50, max: 1_000 })), {
    maxLength: 80,
  });

  test('a decayed sum is the sum of values halved by their age', () => {
    const set = define({ aggregate: 'sum', field: 'v', halfLifeMs: 10 * DAY_MS });
    fc.assert(
      fc.property(history, (events) => {
        const exact = events.reduce((sum, [atMs, v]) => sum + v * 2 ** ((atMs - NOW) / (10 * DAY_MS)), 0);
        const size = events.reduce((sum, [, v]) => sum + Math.abs(v), 1);
        expect(Math.abs(evaluate(set, events, NOW) - exact)).toBeLessThan(1e-5 * size);
      }),
      { seed: 21 },
    );
  });

  test('a windowed count lies between the counts of the window and of the window less or more one bucket', () => {
    const set = define({ windowMs: 30 * DAY_MS });
    fc.assert(
      fc.property(history, (events) => {
        const younger = (days: number): number => events.filter(([atMs]) => atMs > NOW - days * DAY_MS).length;
        const got = evaluate(set, events, NOW);
        expect(got).toBeGreaterThanOrEqual(younger(25) - 1e-4);
        expect(got).toBeLessThanOrEqual(younger(35) + 1e-4);
      }),
      { seed: 22 },
    );
  });

  test('a windowed extreme is one of the window, give or take one bucket', () => {
    const [max, min] = [
      define({ aggregate: 'max', field: 'v', windowMs: 30 * DAY_MS, default: -999 }),
      define({ aggregate: 'min', field: 'v', windowMs: 30 * DAY_MS, default: 9999 }),
    ];
    fc.assert(
      fc.property(history, (events) => {
        const within = (days: number): number[] => events.filter(([atMs]) => atMs > NOW - days * DAY_MS).map(([, v]) => v);
        expect(evaluate(max, events, NOW)).toBeGreaterThanOrEqual(Math.max(-999, ...within(30)));
        expect(evaluate(max, events, NOW)).toBeLessThanOrEqual(Math.max(-999, ...within(35)));
        expect(evaluate(min, events, NOW)).toBeLessThanOrEqual(Math.min(9999, ...within(30)));
        expect(evaluate(min, events, NOW)).toBeGreaterThanOrEqual(Math.min(9999, ...within(35)));
      }),
      { seed: 23 },
    );
  });

  test('sums, means and counts without half-life or window are those of all events, exactly', () => {
    fc.assert(
      fc.property(history, (events) => {
        const sum = events.reduce((total, [, v]) => total + v, 0);
        expect(evaluate(define({ aggregate: 'sum', field: 'v' }), events, NOW)).toBe(Math.fround(sum));
        expect(evaluate(define({}), events, NOW)).toBe(events.length);
        expect(evaluate(define({ aggregate: 'mean', field: 'v', default: -1 }), events, NOW)).toBe(
          Math.fround(events.length === 0 ? -1 : sum / events.length),
        );
        const [lastMs, last] = [...events].toSorted((a, b) => a[0] - b[0] || a[1] - b[1]).at(-1) ?? [0, 7];
        expect(evaluate(define({ aggregate: 'last', field: 'v', default: 7 }), events, NOW)).toBe(last);
        const days = evaluate(define({ aggregate: 'recency', default: 5 }), events, NOW);
        expect(Math.abs(days - (events.length === 0 ? 5 : (NOW - lastMs) / DAY_MS))).toBeLessThan(1e-3);
      }),
      { seed: 24 },
    );
  });

  test('a value that is missing or no number is passed over', () => {
    const set = define({ aggregate: 'mean', field: 'v', default: 3 });
    const state = emptyState(set);
    for (const v of ['4', null, Number.NaN, undefined, {}, Infinity]) foldEvent(state, { type: 'e', time: NOW, receivedAt: NOW }, { v });
    expect(evaluateFeatures(state.registers, set, NOW)[0]).toBe(3);
  });

  test('an unknown customer has every default', () => {
    const view = viewOfState(null, { customerKey: 'k' as never, featureSet: telco, nowMs: NOW });
    expect(view.known).toBe(false);
    expect([...view.features]).toEqual([...telco.defaults]);
    expect(view.pair('any')).toBe(NO_PAIR);
    expect([view.contacts, view.attributes, view.pendingActionIds]).toEqual([[], {}, []]);
  });
});

describe('the codec', () => {
  test('what is stored is what was there, and storing it again gives the same bytes', () => {
    for (let seed = 0; seed < 200; seed++) {
      const state = sampleState(telco, seed, NOW);
      const bytes = encodeState(state, NOW);
      const read = decodeState(bytes, telco);
      expect(encodeState(read, NOW)).toEqual(bytes);
      expect(contentOf(read)).toEqual(contentOf(atLoad(state)));
      expect(contentOf(decodeState(bytes, telco))).toEqual(contentOf(state));
      expect(encodeState(read, NOW)).toEqual(bytes);
    }
  });

  test('the position vector is the first bytes: epoch, count, offsets plus 1 as varints', () => {
    const state = sampleState(telco, 1, NOW);
    state.epoch = 5;
    state.positions = [0, -1, 2 ** 45, 7];
    const bytes = encodeState(state, NOW);
    expect(positionPrefixOf(bytes)!.toString('hex')).toBe('000000058401008180808080800808');
    expect(positionsOf(bytes)).toEqual({ epoch: 5, positions: [0, -1, 2 ** 45, 7] });
    expect(positionPrefixOf(null)).toBeNull();
  });

  test('no position vector begins another, so a commit that compares beginnings compares vectors', () => {
    const vector = fc.record({
      epoch: fc.integer({ min: 1, max: 3 }),
      positions: fc.array(fc.oneof(fc.integer({ min: -1, max: 300 }), fc.integer({ min: 0, max: 2 ** 47 })), {
        minLength: 4,
        maxLength: 4,
      }),
    });
    const prefix = ({ epoch, positions }: { epoch: number; positions: number[] }): string => {
      const state = emptyState(telco);
      state.epoch = epoch;
      state.positions = positions;
      return positionPrefixOf(encodeState(state, NOW))!.toString('hex');
    };
    fc.assert(
      fc.property(vector, vector, (one, other) => {
        const [a, b] = [prefix(one), prefix(other)];
        expect(a.startsWith(b)).toBe(JSON.stringify(one) === JSON.stringify(other));
      }),
      { seed: 1 },
    );
  });

  test('a state as the first version wrote it, offsets and timer of 6 bytes each, is read', () => {
    const state = sampleState(telco, 1, NOW);
    const bytes = encodeState(state, NOW);
    const at = positionPrefixOf(bytes)!.length;
    const timer = new ByteReader(bytes, at + 9);
    const timerMs = timer.varint();
    const head = new ByteWriter();
    head.u32(state.epoch);
    head.u8(state.positions.length);
    for (const offset of state.positions) head.u48(offset + 1);
    head.bytes(bytes.subarray(at, at + 9));
    head.u48(timerMs);
    const older = Buffer.concat([head.buffer.subarray(0, head.at), bytes.subarray(timer.at)]);
    expect(older.length).toBeGreaterThan(bytes.length + 10);
    expect(contentOf(decodeState(older, telco))).toEqual(contentOf(decodeState(bytes, telco)));
    expect(encodeState(decodeState(older, telco), NOW)).toEqual(bytes);
  });

  test('1,000 customers of 20 contacts and 5 pending decisions take at most 1,000 bytes each, all their keys counted', () => {
    for (let seed = 0; seed < 1_000; seed++) {
      const state = sampleState(telco, seed, NOW);
      expect(state.contacts).toHaveLength(20);
      expect(state.pending).toHaveLength(5);
      expect(bytesOfCustomer(state, encodeState(state, NOW))).toBeLessThanOrEqual(1_000);
    }
  });

  test('a state stays bounded whatever the traffic', () => {
    const random = createRandom(3);
    const state = sampleState(telco, 3, NOW, 4_000);
    for (let i = 0; i < 500; i++) {
      const atMs = NOW + i * 1_000;
      const actionId = `a candidate of the caller's own with a long name, number ${i}`;
      addContact(state, { atMs, channel: `channel-${i}`, direction: 'inbound', actionId });
      countPair(state, actionId, { shown: 1, rejected: 1, atMs });
      rememberId(state, `event:x:${i}`, atMs);
      foldEvent(
        state,
        { type: 'customer.updated', time: atMs, receivedAt: atMs },
        { name: 'x'.repeat(10_000), region: 'y'.repeat(10_000), email: 'z'.repeat(1e5) },
      );
      const decisionId = createDecisionId({ atMs, shard: i & 0xffff, entropy: [i, Math.floor(random() * 2 ** 32)] });
      addPending(state, {
        decisionId,
        decidedAtMs: atMs,
        channel: 'app',
        direction: 'inbound',
        loop: '',
        matureAtMs: atMs + DAY_MS,
        items: [],
      });
    }
    expect(encodeState(state, NOW).length).toBeLessThan(3_000);
  });

  test('bytes that are no state are refused with a reason', () => {
    const bytes = encodeState(sampleState(telco, 1, NOW), NOW);
    const read = (broken: Buffer) => () => contentOf(decodeState(broken, telco));
    expect(read(bytes.subarray(0, 6))).toThrow(/shorter than its position vector/);
    expect(read(bytes.subarray(0, bytes.length - 1))).toThrow(expect.objectContaining({ code: 'state.corrupt' }));
    const at = positionPrefixOf(bytes)!.length;
    expect(read(Buffer.concat([bytes.subarray(0, at), Buffer.of(9), bytes.subarray(at + 1)]))).toThrow(/version 9/);
    expect(read(Buffer.concat([bytes.subarray(0, at + 1), Buffer.alloc(8), bytes.subarray(at + 9)]))).toThrow(
      expect.objectContaining({ code: 'feature-set.unknown' }),
    );
  });
});

describe('other definitions', () => {
  test('a state of older definitions keeps what both define; unknown features are skipped, new ones are empty', () => {
    const { definitions } = telco;
    const newer = compileDefinitions({
      attributes: [{ name: 'mood', type: 'string', values: [], personal: false, set: [] }, ...definitions.attributes.slice(3).toReversed()],
      features: [...definitions.features.slice(10).toReversed(), { ...definitions.features[0]!, halfLifeMs: DAY_MS }],
      actionIds: ['brand-new', ...definitions.actionIds.slice(5)],
    });
    newer.others.set(telco.fingerprint, telco);
    const old = sampleState(telco, 9, NOW);
    const migrated = decodeState(encodeState(old, NOW), newer);
    const before = evaluateFeatures(old.registers, telco, NOW);
    const after = evaluateFeatures(migrated.registers, newer, NOW);
    newer.names.slice(0, -1).forEach((name, i) => expect(after[i], name).toBe(before[telco.names.indexOf(name)]));
    expect(after.at(-1)).toBe(newer.defaults.at(-1));
    for (const { name } of newer.attributes.slice(1)) expect(migrated.attribute(name)).toBe(old.attribute(name));
    expect(migrated.attribute('mood')).toBeUndefined();
    expect([migrated.contacts, migrated.pending, migrated.ring, migrated.positions]).toEqual([
      old.contacts,
      old.pending,
      old.ring,
      old.positions,
    ]);
    expect(migrated.pairs).toEqual(new Map([...old.pairs].toSorted((a, b) => lastMet(b[1]) - lastMet(a[1]) || a[0] - b[0])));
    const stored = decodeState(encodeState(migrated, NOW), newer);
    expect(stored.contacts).toEqual(old.contacts);
    expect(stored.pending).toEqual(old.pending);
  });

  const lastMet = (pair: { lastShownMs: number; lastRejectedMs: number }): number => Math.max(pair.lastShownMs, pair.lastRejectedMs);
});

describe('steps', () => {
  const contact = (atMs: number, actionId: string): Contact => ({ atMs, channel: 'app', direction: 'inbound', actionId });

  test('the newest 20 contacts are kept, newest first, whatever order they come in', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 10_000 }), { maxLength: 60 }), fc.integer(), (minutes, order) => {
        const state = emptyState(telco);
        for (const minute of shuffle(minutes, order)) addContact(state, contact(minute * MINUTE_MS, `a${minute % 7}`));
        const expected = [...minutes].toSorted((a, b) => b - a).slice(0, 20);
        expect(atLoad(state).contacts.map(({ atMs }) => atMs / MINUTE_MS)).toEqual(expected);
      }),
      { seed: 31 },
    );
  });

  test('the 32 pairs that were met last are kept', () => {
    const state = emptyState(telco);
    for (let i = 0; i < 40; i++) countPair(state, `action-${i}`, { shown: 20, accepted: 1, atMs: NOW + i * MINUTE_MS });
    countPair(state, 'action-39', { rejected: 5, atMs: NOW + DAY_MS });
    const read = atLoad(state);
    expect(read.pairs.size).toBe(32);
    expect(read.pair('action-7')).toBe(NO_PAIR);
    expect(read.pair('action-8')).toEqual({ shown: 20, accepted: 1, rejected: 0, lastShownMs: NOW + 8 * MINUTE_MS, lastRejectedMs: 0 });
    expect(read.pair('action-39')).toEqual({
      shown: 20,
      accepted: 1,
      rejected: 5,
      lastShownMs: NOW + 39 * MINUTE_MS,
      lastRejectedMs: NOW + DAY_MS,
    });
  });

  test('a correction takes back what was counted, never below nothing', () => {
    const state = emptyState(telco);
    countPair(state, 'a', { shown: 1, accepted: 1, atMs: NOW });
    countPair(state, 'a', { accepted: -2, rejected: 1, atMs: NOW });
    expect(state.pair('a')).toMatchObject({ shown: 1, accepted: 0, rejected: 1 });
  });

  const pending = (i: number): PendingDecision => ({
    decisionId: createDecisionId({ atMs: NOW + i, shard: 3, entropy: [i, i] }),
    decidedAtMs: NOW + i,
    channel: 'chat-bot',
    direction: 'outbound',
    loop: 'own',
    matureAtMs: NOW + i + 1_234,
    items: [
      {
        rank: 1,
        actionId: 'an own candidate',
        value: 1.25,
        revision: 300,
        shown: false,
        target: -0.1,
        reward: null,
        outcome: 'custom',
        outcomeAtMs: NOW - 5,
        amount: 12.34,
      },
    ],
  });

  test('the oldest pending decisions give way to a ninth, and are returned so that they can mature', () => {
    const state = emptyState(telco);
    const evicted = shuffle(
      Array.from({ length: 11 }, (_, i) => i),
      4,
    ).flatMap((i) => addPending(state, pending(i)).map(({ decidedAtMs }) => decidedAtMs - NOW));
    expect(state.pending).toHaveLength(8);
    expect(new Set([...evicted, ...state.pending.map(({ decidedAtMs }) => decidedAtMs - NOW)]).size).toBe(11);
    expect(addPending(state, pending(10))).toEqual([]);
  });

  test('pending decisions survive storage in full, are found by id and go when removed', () => {
    const state = emptyState(telco);
    addPending(state, pending(1));
    addPending(state, { ...pending(2), decisionId: createDecisionId({ atMs: NOW + 50, shard: 9, entropy: [1, 2] }) });
    addPending(state, pending(60));
    const read = atLoad(state);
    expect(read.pending).toEqual(state.pending);
    const id = pending(1).decisionId;
    expect(findPending(read, id)).toEqual(pending(1));
    expect(removePending(read, id)).toBe(true);
    expect(removePending(read, id)).toBe(false);
    expect(findPending(read, id)).toBeUndefined();
    expect(findPending(read, 'none' as DecisionId)).toBeUndefined();
  });

  test('which identities are remembered does not depend on how often the state is stored between', () => {
    let often = emptyState(telco);
    const once = emptyState(telco);
    for (let i = 0; i < 300; i++) {
      const [id, atMs] = [`event:${i % 290}`, NOW - ((i * 37) % 50) * MINUTE_MS];
      expect(hasSeen(often, id)).toBe(hasSeen(once, id));
      expect(rememberId(often, id, atMs)).toBe(rememberId(once, id, atMs));
      expect(once.ring.hashes.length - once.ring.forgotten).toBeLessThanOrEqual(MAX_IDS);
      often = atLoad(often);
    }
    expect(contentOf(often)).toEqual(contentOf(once));
  });

  test('identities are remembered for 24 hours, the last 64 of them', () => {
    let state = emptyState(telco);
    for (let i = 0; i < 100; i++) expect(rememberId(state, `event:${i}`, NOW + i * MINUTE_MS)).toBe(true);
    state = atLoad(state);
    expect(state.ring.hashes).toHaveLength(MAX_IDS);
    expect([hasSeen(state, 'event:99'), hasSeen(state, 'event:36'), hasSeen(state, 'event:35')]).toEqual([true, true, false]);
    expect(rememberId(state, 'event:99', NOW + 100 * MINUTE_MS)).toBe(false);
    const nextDay = decodeState(encodeState(state, NOW + DAY_MS + 80 * MINUTE_MS), telco);
    expect([hasSeen(nextDay, 'event:60'), hasSeen(nextDay, 'event:90')]).toEqual([false, true]);
    expect(decodeState(encodeState(nextDay, NOW + 3 * DAY_MS), telco).ring.hashes).toEqual([]);
  });
});
