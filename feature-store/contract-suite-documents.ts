/** What documents promise, whatever keeps them: part of the suite that each adapter's test runs. */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DocumentQuery, DocumentWrite, Documents, StoredDocument } from './documents.ts';

const anna = Buffer.alloc(16, 1);
const ben = Buffer.alloc(16, 2);

const documentOf = (id: string, over: Partial<DocumentWrite> = {}): DocumentWrite => ({
  id,
  customerKey: anna,
  state: 'queued',
  atMs: 1_000,
  dueMs: null,
  body: Buffer.from(`body of ${id}`),
  ...over,
});

const idsOf = (documents: readonly StoredDocument[]): string[] => documents.map(({ id }) => id);

/** @param open the same content each time, as another process would */
export const describeDocuments = (open: () => Promise<Documents>): void => {
  describe('documents', () => {
    test('are read back as they were written, by whoever opens the store, under their kind alone', async () => {
      const [documents, other] = [await open(), await open()];
      const written = documentOf('ünïque/1', { dueMs: 77, customerKey: null, state: 'in_progress-2.b', body: randomBytes(100_000) });
      expect(await documents.get('note', written.id)).toBeNull();
      expect(await other.put('note', written, null)).toBe(1);
      expect(await documents.get('note', written.id)).toEqual({ ...written, version: 1 });
      expect(await documents.get('other', written.id)).toBeNull();
      expect(await documents.get('note', 'ünïque')).toBeNull();
      expect(await documents.put('note', documentOf('empty', { body: Buffer.alloc(0) }), null)).toBe(1);
      expect((await other.get('note', 'empty'))!.body).toEqual(Buffer.alloc(0));
    });

    test('are written on the version that was read, or not at all', async () => {
      const documents = await open();
      expect(await documents.put('note', documentOf('a'), 1)).toBeNull();
      expect(await documents.get('note', 'a')).toBeNull();
      expect(await documents.put('note', documentOf('a'), null)).toBe(1);
      expect(await documents.put('note', documentOf('a', { state: 'sent' }), null)).toBeNull();
      expect(await documents.put('note', documentOf('a', { state: 'sent' }), 2)).toBeNull();
      expect(await documents.get('note', 'a')).toEqual({ ...documentOf('a'), version: 1 });
      expect(await documents.put('note', documentOf('a', { state: 'sent', body: Buffer.from('longer than before') }), 1)).toBe(2);
      expect(await documents.get('note', 'a')).toMatchObject({ version: 2, state: 'sent' });
      expect((await documents.list('note', { state: 'queued', limit: 10 })).total).toBe(0);
      expect(idsOf((await documents.list('note', { state: 'sent', limit: 10 })).documents)).toEqual(['a']);
    });

    test('of writers that race from one version, one wins', async () => {
      const [documents, other] = [await open(), await open()];
      await documents.put('note', documentOf('a'), null);
      for (let version = 1; version < 15; version++) {
        const states = Array.from({ length: 6 }, (_, i) => `state${i}`);
        const won = await Promise.all(
          states.map((state, i) => (i % 2 === 0 ? documents : other).put('note', documentOf('a', { state }), version)),
        );
        expect(won.filter((each) => each === version + 1)).toHaveLength(1);
        expect(won.filter((each) => each === null)).toHaveLength(5);
        const state = states[won.findIndex((each) => each !== null)]!;
        const { documents: listed, total } = await documents.list('note', { limit: 10 });
        expect([total, listed[0]!.state, listed[0]!.version]).toEqual([1, state, version + 1]);
        expect((await documents.list('note', { state, limit: 10 })).total).toBe(1);
      }
    });

    test('are removed on their version, and begin anew after it', async () => {
      const documents = await open();
      await documents.put('note', documentOf('a', { dueMs: 5 }), null);
      expect(await documents.remove('note', 'a', 2)).toBe(false);
      expect(await documents.remove('note', 'a', 1)).toBe(true);
      expect(await documents.remove('note', 'a', 1)).toBe(true);
      expect(await documents.get('note', 'a')).toBeNull();
      expect(await documents.list('note', { limit: 10 })).toEqual({ documents: [], total: 0 });
      expect(await documents.list('note', { customerKey: anna, limit: 10 })).toEqual({ documents: [], total: 0 });
      expect(await documents.due('note', 10, 10)).toEqual([]);
      expect(await documents.put('note', documentOf('a'), null)).toBe(1);
    });

    test('that are many are paged by offset, forwards and backwards, with their total', async () => {
      const documents = await open();
      const times = Array.from({ length: 1_300 }, (_, i) => (i % 3 === 0 ? 50_000 : i));
      await Promise.all(times.map((atMs, i) => documents.put('note', documentOf(`n${i}`, { atMs }), null)));
      const sorted = times.map((atMs, i) => ({ atMs, id: `n${i}` })).toSorted((a, b) => a.atMs - b.atMs || (a.id < b.id ? -1 : 1));
      for (const newestFirst of [false, true]) {
        const all = (newestFirst ? sorted.toReversed() : sorted).map(({ id }) => id);
        for (const [offset, limit] of [
          [0, 7],
          [499, 5],
          [640, 40],
          [866, 20],
          [1_295, 50],
          [1_300, 5],
          [0, 0],
          [20, 1_000],
        ] as const) {
          const page = await documents.list('note', { newestFirst, offset, limit });
          expect(page.total).toBe(1_300);
          expect(idsOf(page.documents)).toEqual(all.slice(offset, offset + limit));
        }
      }
      expect((await documents.list('note', { fromMs: 50_000, limit: 1 })).total).toBe(434);
      expect((await documents.list('note', { toMs: 50_000, state: 'queued', limit: 1 })).total).toBe(866);
    }, 60_000);

    test('are due in the order of their time until a write moves it', async () => {
      const documents = await open();
      for (const [id, dueMs] of [
        ['late', 300],
        ['soon', 100],
        ['next', 200],
        ['never', null],
      ] as const)
        await documents.put('note', documentOf(id, { dueMs }), null);
      await documents.put('other', documentOf('else', { dueMs: 1 }), null);
      expect(await documents.due('note', 99, 10)).toEqual([]);
      expect(idsOf(await documents.due('note', 200, 10))).toEqual(['soon', 'next']);
      expect(idsOf(await documents.due('note', 1_000, 2))).toEqual(['soon', 'next']);
      await documents.put('note', documentOf('soon', { dueMs: 250 }), 1);
      await documents.put('note', documentOf('next', { dueMs: null }), 1);
      expect(idsOf(await documents.due('note', 1_000, 10))).toEqual(['soon', 'late']);
    });

    test('of a customer are forgotten, of every kind and up to a time, and those of others stay', async () => {
      const documents = await open();
      await documents.put('note', documentOf('a'), null);
      await documents.put('note', documentOf('b', { customerKey: ben, dueMs: 3 }), null);
      await documents.put('flow', documentOf('a', { dueMs: 3, state: 'sent' }), null);
      await documents.put('note', documentOf('later', { atMs: 1_001 }), null);
      await documents.put('note', documentOf('nobody', { customerKey: null }), null);
      expect(await documents.forget(anna, 1_000)).toBe(2);
      expect(await documents.get('note', 'a')).toBeNull();
      expect(await documents.list('flow', { limit: 10 })).toEqual({ documents: [], total: 0 });
      expect(await documents.due('flow', 10, 10)).toEqual([]);
      expect(idsOf((await documents.list('note', { customerKey: anna, limit: 10 })).documents)).toEqual(['later']);
      expect(await documents.forget(anna)).toBe(1);
      expect(await documents.forget(anna)).toBe(0);
      expect(idsOf((await documents.list('note', { limit: 10 })).documents)).toEqual(['b', 'nobody']);
      expect(idsOf(await documents.due('note', 10, 10))).toEqual(['b']);
    });

    const mistakes: readonly [string, string, Partial<DocumentWrite>][] = [
      ['document.kind', 'two words', {}],
      ['document.id', 'note', { id: '' }],
      ['document.id', 'note', { id: 'x'.repeat(129) }],
      ['document.id', 'note', { id: 'a\0b' }],
      ['document.state', 'note', { state: '' }],
      ['document.customer', 'note', { customerKey: Buffer.alloc(15) }],
      ['document.time', 'note', { atMs: 1.5 }],
      ['document.time', 'note', { dueMs: -1 }],
    ];
    test('with a mistake are refused, by a code that names it', async () => {
      const documents = await open();
      for (const [code, kind, over] of mistakes)
        await expect(documents.put(kind, documentOf('a', over), null)).rejects.toMatchObject({ code });
    });

    test('are listed to a limit, and by words and keys that documents can have', async () => {
      const documents = await open();
      await expect(documents.list('note', { limit: 1_001 })).rejects.toMatchObject({ code: 'document.limit' });
      await expect(documents.list('note', { limit: 1, offset: -1 })).rejects.toMatchObject({ code: 'document.offset' });
      await expect(documents.list('note', { limit: 1, state: 'a b' })).rejects.toMatchObject({ code: 'document.state' });
      await expect(documents.list('note', { limit: 1, fromMs: Number.NaN })).rejects.toMatchObject({ code: 'document.time' });
      await expect(documents.due('note', 1, 1_001)).rejects.toMatchObject({ code: 'document.limit' });
    });

    test('law: whatever is written, removed and forgotten, lists and what is due are those of a plain list', async () => {
      const documents = await open();
      let run = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { minLength: 1, maxLength: 25 }),
          fc.array(query, { minLength: 4, maxLength: 4 }),
          async (steps, queries) => {
            // Kinds of its own, of which one begins with the other; customers of its own, for forgetting is of all kinds.
            const kinds = [`r${++run}`, `r${run}x`];
            const customers = [randomBytes(16), randomBytes(16)];
            const model = new Map<string, StoredDocument>();
            for (const each of steps) await take(documents, model, each, kinds, customers);
            for (const kind of kinds) {
              for (const { customer, ...rest } of queries) {
                const asked: DocumentQuery = { ...rest, ...(customer === null ? {} : { customerKey: customers[customer]! }) };
                expect(await documents.list(kind, asked)).toEqual(listOf(model, kind, asked));
              }
              for (const nowMs of [3, 8]) expect(await documents.due(kind, nowMs, 4)).toEqual(dueOf(model, kind, nowMs, 4));
            }
          },
        ),
        { seed: 20_261_130, numRuns: 40 },
      );
    }, 60_000);
  });
};

const ids = fc.constantFrom('a', 'ab', 'b', 'é', '😀', '￿', 'A/1');
const states = fc.constantFrom('s', 'st', 't');
const customer = fc.option(fc.integer({ min: 0, max: 1 }));
const ms = fc.integer({ min: 0, max: 6 });

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: ms,
      does: fc.constant('put'),
      id: ids,
      state: states,
      customer,
      atMs: ms,
      dueMs: fc.option(ms),
      stale: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: ms, does: fc.constant('remove'), id: ids, stale: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('forget'), customer: fc.integer({ min: 0, max: 1 }), untilMs: ms }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const query = fc.record(
  {
    customer,
    state: states,
    fromMs: ms,
    toMs: ms,
    newestFirst: fc.boolean(),
    offset: fc.integer({ min: 0, max: 5 }),
    limit: fc.integer({ min: 0, max: 9 }),
  },
  { requiredKeys: ['customer', 'limit'] },
);

const keyOf = (kind: string, id: string): string => `${kind}/${id}`;

/** The step on the store and on the model, which agree on its result. */
const take = async (
  documents: Documents,
  model: Map<string, StoredDocument>,
  each: Step,
  kinds: readonly string[],
  customers: readonly Buffer[],
): Promise<void> => {
  if ('untilMs' in each) {
    const gone = [...model].filter(
      ([, { customerKey, atMs }]) => customerKey?.equals(customers[each.customer]!) === true && atMs <= each.untilMs,
    );
    expect(await documents.forget(customers[each.customer]!, each.untilMs)).toBe(gone.length);
    for (const [key] of gone) model.delete(key);
    return;
  }
  const kind = kinds[each.kind % kinds.length]!;
  const key = keyOf(kind, each.id);
  const there = model.get(key) ?? null;
  const expected = each.stale ? (there?.version ?? 0) + 1 : (there?.version ?? null);
  if (!('state' in each)) {
    const removed = await documents.remove(kind, each.id, expected ?? 1);
    expect(removed).toBe(there === null || !each.stale);
    if (removed) model.delete(key);
    return;
  }
  // A document keeps its time over its versions.
  const { id, state, dueMs } = each;
  const atMs = there?.atMs ?? each.atMs;
  const write = {
    id,
    state,
    dueMs,
    atMs,
    customerKey: each.customer === null ? null : customers[each.customer]!,
    body: randomBytes(each.atMs),
  };
  const version = each.stale ? null : (there?.version ?? 0) + 1;
  expect(await documents.put(kind, write, expected)).toBe(version);
  if (version !== null) model.set(key, { ...write, version });
};

const ofKind = (model: ReadonlyMap<string, StoredDocument>, kind: string): StoredDocument[] =>
  [...model].filter(([key]) => key.startsWith(keyOf(kind, ''))).map(([, document]) => document);

const listOf = (model: ReadonlyMap<string, StoredDocument>, kind: string, asked: DocumentQuery) => {
  const { customerKey, state, fromMs = 0, toMs = Infinity, newestFirst = false, offset = 0, limit } = asked;
  const found = ofKind(model, kind)
    .filter((each) => customerKey === undefined || each.customerKey?.equals(customerKey) === true)
    .filter((each) => state === undefined || each.state === state)
    .filter(({ atMs }) => fromMs <= atMs && atMs < toMs)
    .toSorted((a, b) => a.atMs - b.atMs || Buffer.from(a.id).compare(Buffer.from(b.id)));
  return { total: found.length, documents: (newestFirst ? found.toReversed() : found).slice(offset, offset + limit) };
};

const dueOf = (model: ReadonlyMap<string, StoredDocument>, kind: string, nowMs: number, limit: number) =>
  ofKind(model, kind)
    .filter(({ dueMs }) => dueMs !== null && dueMs <= nowMs)
    .toSorted((a, b) => a.dueMs! - b.dueMs! || Buffer.from(a.id).compare(Buffer.from(b.id)))
    .slice(0, limit);
