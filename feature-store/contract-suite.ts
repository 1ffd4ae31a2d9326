/** What every feature store promises: the suite that each adapter's test runs (laws 4 and 5 of the design). */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { describeDocuments } from './contract-suite-documents.ts';
import { describeReservations } from './contract-suite-reservations.ts';
import type { FeatureStore, StateCommit, StateKey } from './port.ts';

export interface StoreUnderTest {
  /** Opens the same stored content each time it is called, as another process would. */
  open(): Promise<FeatureStore>;
  /** Closes what was opened and deletes the content. */
  dispose(): Promise<void>;
}

const PARTITIONS = 4;
const NO_TIMER = { from: null, to: null } as const;

const keyOf = (text: string): StateKey => {
  const key = Buffer.alloc(16);
  key.write(text);
  return key;
};

/** A value whose first bytes are its version, as a position vector is. */
const valueOf = (version: number, text = ''): Buffer => Buffer.concat([Buffer.of(0, 0, 0, version), Buffer.from(text)]);
const prefixOf = (version: number): Buffer => Buffer.of(0, 0, 0, version);

const write = (key: StateKey, version: number, over: Partial<StateCommit> = {}): StateCommit => ({
  key,
  value: valueOf(version, `content ${version}`),
  shard: 1,
  expected: version === 1 ? null : prefixOf(version - 1),
  companions: [],
  timer: NO_TIMER,
  ...over,
});

/** @param create a store that nobody used yet, with 4 partitions */
export const describeFeatureStoreContract = (name: string, create: () => Promise<StoreUnderTest>): void => {
  describe(`feature store: ${name}`, () => {
    let under: StoreUnderTest;
    let store: FeatureStore;
    const anna = keyOf('anna');
    const ben = keyOf('ben');

    beforeEach(async () => {
      under = await create();
      store = await under.open();
    });
    afterEach(async () => {
      await under.dispose();
    });

    const timersOf = async (partition: number, nowMs: number) =>
      (await store.timers.due(partition, nowMs, 100)).map(({ key, dueMs }) => [key.toString('latin1').replaceAll('\0', ''), dueMs]);

    describe('states', () => {
      test('an unknown key is null, and a committed value is read back by whoever opens the store', async () => {
        expect(await store.states.read(anna, 1)).toBeNull();
        expect(await store.states.commit([write(anna, 1)])).toEqual(['committed']);
        const other = await under.open();
        expect(await other.states.read(anna, 1)).toEqual(valueOf(1, 'content 1'));
        expect(
          await other.states.readMany([
            { key: ben, shard: 1 },
            { key: anna, shard: 1 },
          ]),
        ).toEqual([null, valueOf(1, 'content 1')]);
      });

      test('what was read belongs to the reader: later commits do not change it', async () => {
        await store.states.commit([write(anna, 1)]);
        const read = (await store.states.read(anna, 1))!;
        await store.states.commit([write(anna, 2)]);
        await store.states.read(anna, 1);
        expect(read).toEqual(valueOf(1, 'content 1'));
      });

      test('a commit on another position vector than the stored one is refused', async () => {
        await store.states.commit([write(anna, 1)]);
        expect(await store.states.commit([write(anna, 2, { expected: prefixOf(7) })])).toEqual(['refused']);
        expect(await store.states.commit([write(anna, 2, { expected: null })])).toEqual(['refused']);
        expect(await store.states.commit([write(ben, 2)])).toEqual(['refused']);
        expect(await store.states.read(anna, 1)).toEqual(valueOf(1, 'content 1'));
        expect(await store.states.read(ben, 1)).toBeNull();
      });

      test('a vector longer than the stored value is refused, whatever it begins with', async () => {
        await store.states.commit([write(anna, 1, { value: prefixOf(1) })]);
        expect(await store.states.commit([write(anna, 2, { expected: Buffer.concat([prefixOf(1), Buffer.of(9)]) })])).toEqual(['refused']);
      });

      test('a refused commit changes nothing: neither value, nor companions, nor timer', async () => {
        const link = keyOf('link');
        await store.states.commit([
          write(anna, 1, { companions: [{ key: link, value: Buffer.from('old') }], timer: { from: null, to: 50 } }),
        ]);
        const refused = write(anna, 3, {
          companions: [
            { key: link, value: null },
            { key: keyOf('new'), value: Buffer.from('new') },
          ],
          timer: { from: 50, to: 60 },
        });
        expect(await store.states.commit([refused])).toEqual(['refused']);
        expect(await store.states.read(anna, 1)).toEqual(valueOf(1, 'content 1'));
        expect(await store.states.read(link, 1)).toEqual(Buffer.from('old'));
        expect(await store.states.read(keyOf('new'), 1)).toBeNull();
        expect(await timersOf(1, 1000)).toEqual([['anna', 50]]);
      });

      test('a companion that is not as it was read refuses the commit, whatever kind of key it has', async () => {
        const decision = Buffer.concat([randomBytes(14), Buffer.of(0, 1)]);
        const link = Buffer.concat([Buffer.of(0x81), randomBytes(16)]);
        const waiting = Buffer.concat([Buffer.of(0x82), randomBytes(9)]);
        for (const key of [keyOf('companion'), decision]) {
          const customer = randomBytes(16);
          const step = (version: number, expected: Buffer | null, value: Buffer | null) =>
            store.states.commit([write(customer, version, { companions: [{ key, value, expected }] })]);
          expect(await step(1, waiting, link)).toEqual(['refused']);
          expect(await store.states.read(customer, 1)).toBeNull();
          expect(await step(1, null, waiting)).toEqual(['committed']);
          expect(await step(2, null, link)).toEqual(['refused']);
          expect(await step(2, waiting.subarray(0, 5), link)).toEqual(['refused']);
          expect(await step(2, waiting, link)).toEqual(['committed']);
          expect(await store.states.readMany([{ key, shard: 1 }])).toEqual([link]);
          expect(await step(3, waiting, null)).toEqual(['refused']);
          expect(await step(3, link, null)).toEqual(['committed']);
          expect(await store.states.readMany([{ key, shard: 1 }])).toEqual([null]);
        }
      });

      test('what stands under a decision id can be a link, outcomes that wait, or a state, each in the place of the other', async () => {
        const decision = Buffer.concat([randomBytes(14), Buffer.of(0, 1)]);
        const values = [0x81, 0x82, 0x00, 0x81, 0x00].map((first) => Buffer.concat([Buffer.of(first), randomBytes(16)]));
        let before: Buffer | null = null;
        for (const value of [...values, null]) {
          expect(await store.states.commit([write(decision, 1, { value, expected: Buffer.from('else') })])).toEqual(['refused']);
          expect(await store.states.commit([write(decision, 1, { value, expected: before })])).toEqual(['committed']);
          expect(await store.states.readMany([{ key: decision, shard: 1 }])).toEqual([value]);
          expect(await store.states.read(decision, 1)).toEqual(value);
          before = value;
        }
      });

      test('commits of one call stand or fall each on its own, results in their order', async () => {
        await store.states.commit([write(anna, 1)]);
        expect(await store.states.commit([write(ben, 1), write(anna, 5), write(keyOf('cleo'), 1)])).toEqual([
          'committed',
          'refused',
          'committed',
        ]);
        expect(await store.states.read(ben, 1)).not.toBeNull();
      });

      test('commits of one call that share a key are a mistake, and nothing of them is written', async () => {
        await expect(store.states.commit([write(anna, 1), write(anna, 1)])).rejects.toThrow(/share a key/);
        expect(await store.states.read(anna, 1)).toBeNull();
      });

      test('a commit with a mistake in it is refused whole, before anything is written', async () => {
        const halfDue = write(anna, 1, { timer: { from: null, to: 0.5 } });
        const shortKey = write(anna, 1, { companions: [{ key: Buffer.from('short'), value: Buffer.from('x') }] });
        for (const mistake of [halfDue, shortKey])
          await expect(store.states.commit([write(ben, 1), mistake])).rejects.toThrow(/millisecond|16 bytes/);
        expect(await store.states.read(anna, 1)).toBeNull();
        expect(await store.states.read(ben, 1)).toBeNull();
      });

      test('of writers that raced from the same vector exactly one wins, also in different processes', async () => {
        const other = await under.open();
        await store.states.commit([write(anna, 1)]);
        for (let version = 2; version < 22; version++) {
          const results = await Promise.all(
            [store, other, store, other].map((one, i) =>
              one.states.commit([write(anna, version, { value: valueOf(version, `writer ${i}`) })]),
            ),
          );
          const winners = results.flatMap(([result], i) => (result === 'committed' ? [i] : []));
          expect(winners).toHaveLength(1);
          expect(await store.states.read(anna, 1)).toEqual(valueOf(version, `writer ${winners[0]}`));
        }
      });

      test('a read in another process sees a commit at once when it begins a new turn', async () => {
        const other = await under.open();
        for (let version = 1; version < 20; version++) {
          await other.states.read(anna, 1);
          await store.states.commit([write(anna, version)]);
          await new Promise((resolve) => setTimeout(resolve, 5));
          expect(await other.states.read(anna, 1)).toEqual(valueOf(version, `content ${version}`));
        }
      });

      test('deleting takes the value, its companions and its timer; the key can begin anew', async () => {
        const link = keyOf('link');
        await store.states.commit([write(anna, 1, { companions: [{ key: link, value: Buffer.from('x') }], timer: { from: null, to: 9 } })]);
        const gone = write(anna, 2, { value: null, companions: [{ key: link, value: null }], timer: { from: 9, to: null } });
        expect(await store.states.commit([gone])).toEqual(['committed']);
        expect(await store.states.read(anna, 1)).toBeNull();
        expect(await store.states.read(link, 1)).toBeNull();
        expect(await timersOf(1, 1000)).toEqual([]);
        expect(await store.states.commit([write(anna, 1)])).toEqual(['committed']);
      });

      test('a scan gives every key, companions included, with what leads to its value', async () => {
        const commits = Array.from({ length: 2_500 }, (_, i) => write(randomBytes(16), 1, { shard: i % PARTITIONS }));
        await store.states.commit(commits);
        const decision = Buffer.concat([randomBytes(14), Buffer.of(0, 2)]);
        await store.states.commit([
          write(anna, 1, {
            shard: 2,
            companions: [
              { key: keyOf('link'), value: Buffer.from('x') },
              { key: decision, value: Buffer.concat([Buffer.of(0x81), randomBytes(16)]) },
            ],
          }),
        ]);
        const seen: string[] = [];
        for await (const { key, shard, value } of store.states.scan()) {
          expect(value.length).toBeGreaterThan(0);
          if (seen.length % 100 === 0 || value[0] === 0x81) expect(await store.states.read(key, shard)).toEqual(value);
          seen.push(`${shard % PARTITIONS} ${key.toString('hex')}`);
        }
        const expected = commits.map(({ shard, key }) => `${shard} ${key.toString('hex')}`);
        expected.push(...[anna, keyOf('link'), decision].map((key) => `2 ${key.toString('hex')}`));
        expect([...new Set(seen)].toSorted()).toEqual(expected.toSorted());
      });

      test('a scan of one kind gives states, or what waits for its decision, and nothing else', async () => {
        const [pending, early, alone] = Array.from({ length: 3 }, () => Buffer.concat([randomBytes(14), Buffer.of(0, 1)]));
        const [link, waiting] = [0x81, 0x82].map((first) => Buffer.concat([Buffer.of(first), randomBytes(16)]));
        await store.states.commit([
          write(anna, 1, { companions: [{ key: pending!, value: link! }] }),
          write(ben, 1, { companions: [{ key: keyOf('mark'), value: Buffer.of(0x83, 1) }] }),
          write(early!, 1, { value: waiting! }),
          write(alone!, 1),
        ]);
        const namesOf = async (kind: 'state' | 'waiting'): Promise<string[]> => {
          const names: string[] = [];
          for await (const { key } of store.states.scan(kind)) names.push(key.toString('hex'));
          return names.toSorted();
        };
        expect(await namesOf('state')).toEqual([anna, ben, alone!].map((key) => key.toString('hex')).toSorted());
        expect(await namesOf('waiting')).toEqual([early!.toString('hex')]);
      });

      test('a scan goes on while others write and delete', async () => {
        const keys = Array.from({ length: 1_500 }, () => randomBytes(16));
        await store.states.commit(keys.map((key) => write(key, 1)));
        let seen = 0;
        for await (const { key, value } of store.states.scan()) {
          expect(value[3]).toBe(1);
          await (seen % 300 === 0 ? store.states.commit([write(key, 2, { value: null })]) : undefined);
          seen++;
        }
        expect(seen).toBe(1_500);
      });
    });

    describe('timers', () => {
      test('are due in the order of their time, at or before now, at most the limit, of their partition only', async () => {
        await store.states.commit([
          write(keyOf('late'), 1, { timer: { from: null, to: 300 } }),
          write(keyOf('soon'), 1, { timer: { from: null, to: 100 } }),
          write(keyOf('next'), 1, { timer: { from: null, to: 200 } }),
          write(keyOf('else'), 1, { shard: 2, timer: { from: null, to: 50 } }),
        ]);
        expect(await timersOf(1, 99)).toEqual([]);
        expect(await timersOf(1, 200)).toEqual([
          ['soon', 100],
          ['next', 200],
        ]);
        expect(await store.timers.due(1, 1_000, 1)).toHaveLength(1);
        expect(await timersOf(2, 1_000)).toEqual([['else', 50]]);
      });

      test('name the shard under which the key was committed', async () => {
        await store.states.commit([write(anna, 1, { shard: 40_001, timer: { from: null, to: 100 } })]);
        const [timer] = await store.timers.due(40_001 % PARTITIONS, 100, 10);
        expect(timer!.shard).toBe(40_001);
        expect(await store.states.read(timer!.key, timer!.shard)).not.toBeNull();
      });

      test('that lie hours and days apart, before 2000 and after, come in their order', async () => {
        const hours = [0, 1, 2, 3, 5, 30, 700].map((hour) => hour * 3_600_000 + 17);
        await store.states.commit(hours.map((dueMs) => write(randomBytes(16), 1, { timer: { from: null, to: dueMs } })));
        expect((await store.timers.due(1, hours[4]!, 100)).map(({ dueMs }) => dueMs)).toEqual(hours.slice(0, 5));
        expect((await store.timers.due(1, hours[6]!, 3)).map(({ dueMs }) => dueMs)).toEqual(hours.slice(0, 3));
        expect((await store.timers.due(1, hours[6]!, 100)).map(({ dueMs }) => dueMs)).toEqual(hours);
      });

      test('stay due until a commit moves them', async () => {
        await store.states.commit([write(anna, 1, { timer: { from: null, to: 100 } })]);
        expect(await timersOf(1, 100)).toEqual(await timersOf(1, 100));
        await store.states.commit([write(anna, 2, { timer: { from: 100, to: 500 } })]);
        expect(await timersOf(1, 499)).toEqual([]);
        expect(await timersOf(1, 500)).toEqual([['anna', 500]]);
        await store.states.commit([write(anna, 3, { timer: { from: 500, to: 500 } })]);
        expect(await timersOf(1, 500)).toEqual([['anna', 500]]);
      });
    });

    describe('blobs', () => {
      test('are found by the SHA-256 of their bytes; storing them twice changes nothing', async () => {
        const bytes = randomBytes(300_000);
        const hash = await store.blobs.put(bytes);
        expect(hash).toMatch(/^[0-9a-f]{64}$/);
        expect(await store.blobs.put(Buffer.from(bytes))).toBe(hash);
        expect(await (await under.open()).blobs.get(hash)).toEqual(bytes);
        expect(await store.blobs.get('0'.repeat(64))).toBeNull();
      });

      test('the first bytes under a name keep it', async () => {
        await store.blobs.put(Buffer.from('first'), 'catalog/1');
        await store.blobs.put(Buffer.from('second'), 'catalog/1');
        await store.blobs.put(Buffer.from('first'), 'catalog/2');
        expect(await store.blobs.find('catalog/1')).toEqual(Buffer.from('first'));
        expect(await store.blobs.find('catalog/2')).toEqual(Buffer.from('first'));
        expect(await store.blobs.find('catalog/3')).toBeNull();
      });
    });

    describe('requests', () => {
      test('of callers that race for a request key, all get the decision of one', async () => {
        const other = await under.open();
        for (let round = 0; round < 20; round++) {
          const requestKey = keyOf(`request ${round}`);
          const ids = Array.from({ length: 6 }, () => randomBytes(16));
          const got = await Promise.all(
            ids.map((id, i) => (i % 2 === 0 ? store : other).requests.claim(requestKey, id, { nowMs: 1_000, ttlMs: 60_000 })),
          );
          expect(new Set(got.map((id) => id.toString('hex'))).size).toBe(1);
          expect(ids.some((id) => id.equals(got[0]!))).toBe(true);
        }
      });

      test('a request key is forgotten after its time to live, and not before', async () => {
        const [first, second, third] = [randomBytes(16), randomBytes(16), randomBytes(16)];
        const key = keyOf('request');
        expect(await store.requests.claim(key, first, { nowMs: 1_000, ttlMs: 500 })).toEqual(first);
        expect(await store.requests.claim(key, second, { nowMs: 1_499, ttlMs: 500 })).toEqual(first);
        expect(await store.requests.claim(key, third, { nowMs: 1_500, ttlMs: 500 })).toEqual(third);
        expect(await store.requests.claim(key, first, { nowMs: 1_600, ttlMs: 500 })).toEqual(third);
      });
    });

    describe('leases', () => {
      test('of processes that want one, one holds it until it lets go or its time is over', async () => {
        const other = await under.open();
        const got = await Promise.all([store, other, store].map((one, i) => one.leases.hold('learner', `owner ${i}`, 60_000)));
        expect(got.filter(Boolean)).toHaveLength(1);
        const winner = `owner ${got.indexOf(true)}`;
        expect(await other.leases.holder('learner')).toBe(winner);
        expect(await other.leases.hold('learner', winner, 60_000)).toBe(true);
        expect(await store.leases.hold('learner', 'late', 60_000)).toBe(false);
        await store.leases.release('learner', 'late');
        expect(await store.leases.holder('learner')).toBe(winner);
        await other.leases.release('learner', winner);
        expect(await store.leases.holder('learner')).toBeNull();
        expect(await store.leases.hold('learner', 'late', 60_000)).toBe(true);
      });

      test('a lease that nobody renews ends, and names do not share one', async () => {
        expect(await store.leases.hold('a', 'first', 50)).toBe(true);
        expect(await store.leases.hold('b', 'second', 60_000)).toBe(true);
        await new Promise((resolve) => setTimeout(resolve, 80));
        expect(await store.leases.holder('a')).toBeNull();
        expect(await store.leases.hold('a', 'second', 60_000)).toBe(true);
        expect(await store.leases.hold('a', 'first', 60_000)).toBe(false);
      });
    });

    describeDocuments(async () => (await under.open()).documents);
    describeReservations(async () => (await under.open()).reservations);

    test('closing twice is safe, and what was committed is there after opening again', async () => {
      await store.states.commit([write(anna, 1, { timer: { from: null, to: 5 } })]);
      await store.close();
      await store.close();
      store = await under.open();
      expect(await store.states.read(anna, 1)).toEqual(valueOf(1, 'content 1'));
      expect(await timersOf(1, 5)).toEqual([['anna', 5]]);
    });
  });
};
