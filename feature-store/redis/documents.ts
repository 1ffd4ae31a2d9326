/** Documents on Redis: each lies in one bucket with its entries of the indexes, and one script changes both; a list merges the buckets' parts. */
import { randomBytes } from 'node:crypto';
import { decodeDocument, encodeDocument, headOf, MAX_HEAD_BYTES } from '../document-codec.ts';
import {
  boundOf,
  boundsOfCustomer,
  entriesOf,
  idOfEntry,
  parseCustomerEntry,
  rangeOfDue,
  rangeOfQuery,
  type IndexRange,
} from '../document-index.ts';
import type { DocumentQuery, Documents, DocumentWrite, StoredDocument } from '../documents.ts';
import { refuseWrongDocument, refuseWrongId, refuseWrongKey, refuseWrongQuery } from '../refuse-wrong-documents.ts';
import type { Call, Commands } from './commands.ts';
import { DOCUMENT_BUCKETS, documentBucketOf } from './document-buckets.ts';
import type { Keys } from './keys.ts';
import type { LossGate } from './loss-gate.ts';
import type { Argument } from './node.ts';
import { CHANGE_DOCUMENT } from './scripts.ts';

export interface DocumentsDeps {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly gate: Pick<LossGate, 'pass'>;
  readonly onWipe: () => void;
}

/** What is skipped by more than this is skipped by halving the time, not by reading what comes before. */
const MOST_SKIPPED = 500;

export const createRedisDocuments = ({ commands, keys, gate, onWipe }: DocumentsDeps): Documents => {
  const one = async (call: Call) => (await commands.all([call]))[0]!;

  /** Null: there is none. */
  const headAt = async (kind: string, id: string): Promise<Buffer | null> => {
    const bucket = documentBucketOf(kind, id);
    const bytes = (await one({ bucket, run: 'GETRANGE', args: [keys.document(bucket, kind, id), 0, MAX_HEAD_BYTES - 1] })) as Buffer;
    return bytes.length === 0 ? null : headOf(bytes);
  };
  /** From exactly this head to this document; null: to none. False: another was faster. */
  const change = async (kind: string, id: string, head: Buffer | null, next: { document: DocumentWrite; version: number } | null) => {
    const bucket = documentBucketOf(kind, id);
    const before = head === null ? [] : entriesOf(kind, decodeDocument(id, head));
    const after = next === null ? [] : entriesOf(kind, next.document);
    const value = next === null ? '' : encodeDocument(next.document, next.version);
    const args: Argument[] = [keys.document(bucket, kind, id), keys.documentIndex(bucket), head ?? '', value, before.length];
    return (await one({ bucket, run: { script: CHANGE_DOCUMENT, keys: 2 }, args: [...args, ...before, ...after] })) === 1;
  };

  const readAll = async (kind: string, ids: readonly string[]): Promise<readonly StoredDocument[]> => {
    const replies = await commands.all(
      ids.map((id) => {
        const bucket = documentBucketOf(kind, id);
        return { bucket, run: 'GET', args: [keys.document(bucket, kind, id)] };
      }),
    );
    return ids.flatMap((id, i) => (replies[i] === null ? [] : [decodeDocument(id, replies[i] as Buffer)]));
  };

  const entriesIn = async (bounds: readonly [Buffer, Buffer], first = Infinity, newestFirst = false): Promise<readonly Buffer[]> => {
    if (first === 0) return [];
    const [from, to] = lexBounds(bounds);
    const limit = first === Infinity ? [] : ['LIMIT', 0, first];
    const replies = await commands.all(
      DOCUMENT_BUCKETS.map((bucket) => ({
        bucket,
        run: newestFirst ? 'ZREVRANGEBYLEX' : 'ZRANGEBYLEX',
        args: [keys.documentIndex(bucket), ...(newestFirst ? [to, from] : [from, to]), ...limit],
      })),
    );
    const entries = (replies as readonly Buffer[][]).flat().toSorted((a, b) => (newestFirst ? b.compare(a) : a.compare(b)));
    return first === Infinity ? entries : entries.slice(0, first);
  };
  const count = async ({ prefix, fromMs, toMs }: IndexRange): Promise<number> => {
    const bounds = lexBounds([boundOf(prefix, fromMs), boundOf(prefix, toMs)]);
    const replies = await commands.all(
      DOCUMENT_BUCKETS.map((bucket) => ({ bucket, run: 'ZLEXCOUNT', args: [keys.documentIndex(bucket), ...bounds] })),
    );
    return (replies as readonly number[]).reduce((sum, each) => sum + each, 0);
  };

  /** The range without its first documents, at most `offset` of them and whole milliseconds, and how many are still to be skipped. */
  const skip = async (range: IndexRange, offset: number, newestFirst: boolean): Promise<{ range: IndexRange; left: number }> => {
    if (offset <= MOST_SKIPPED) return { range, left: offset };
    const without = (ms: number) => (newestFirst ? { ...range, fromMs: ms } : { ...range, toMs: ms });
    let [kept, tried] = newestFirst ? [range.toMs, range.fromMs] : [range.fromMs, range.toMs];
    let skipped = 0;
    while (Math.abs(tried - kept) > 1) {
      const middle = Math.floor((kept + tried) / 2);
      const before = await count(without(middle));
      if (before > offset) tried = middle;
      else [kept, skipped] = [middle, before];
    }
    return { range: newestFirst ? { ...range, toMs: kept } : { ...range, fromMs: kept }, left: offset - skipped };
  };

  const find = async (kind: string, query: DocumentQuery): Promise<{ readonly total: number; readonly ids: readonly string[] }> => {
    const { customerKey, state, newestFirst = false, offset = 0, limit } = query;
    const whole = rangeOfQuery(kind, query);
    if (whole.fromMs >= whole.toMs) return { total: 0, ids: [] };
    if (customerKey !== undefined) {
      const all = (await entriesIn(boundsOf(whole), Infinity, newestFirst)).map((entry) => parseCustomerEntry(entry));
      const found = state === undefined ? all : all.filter((entry) => entry.state === state);
      return { total: found.length, ids: found.slice(offset, offset + limit).map(({ id }) => id) };
    }
    const total = await count(whole);
    if (offset >= total) return { total, ids: [] };
    const { range, left } = await skip(whole, offset, newestFirst);
    const entries = await entriesIn(boundsOf(range), left + limit, newestFirst);
    return { total, ids: entries.slice(left).map((entry) => idOfEntry(entry, range)) };
  };

  return {
    async get(kind, id) {
      refuseWrongId(kind, id);
      return (await readAll(kind, [id]))[0] ?? null;
    },
    async put(kind, document, expected) {
      refuseWrongDocument(kind, document);
      gate.pass();
      const head = expected === null ? null : await headAt(kind, document.id);
      if (expected !== null && (head === null || versionOf(head) !== expected)) return null;
      const version = (expected ?? 0) + 1;
      return (await change(kind, document.id, head, { document, version })) ? version : null;
    },
    async remove(kind, id, expected) {
      refuseWrongId(kind, id);
      for (;;) {
        gate.pass();
        const head = await headAt(kind, id);
        if (head === null) return true;
        if (versionOf(head) !== expected) return false;
        if (await change(kind, id, head, null)) return true;
      }
    },
    async list(kind, query) {
      refuseWrongQuery(kind, query);
      const { total, ids } = await find(kind, query);
      // What changed between the index and the document is no longer what was asked for.
      return { total, documents: (await readAll(kind, ids)).filter((document) => isFound(document, query)) };
    },
    async due(kind, nowMs, limit) {
      refuseWrongQuery(kind, { limit });
      gate.pass();
      const range = rangeOfDue(kind, nowMs);
      const ids = (await entriesIn(boundsOf(range), limit)).map((entry) => idOfEntry(entry, range));
      return (await readAll(kind, ids)).filter(({ dueMs }) => dueMs !== null && dueMs <= nowMs);
    },
    async forget(customerKey, untilMs = Infinity) {
      refuseWrongKey(customerKey);
      let forgotten = 0;
      for (;;) {
        gate.pass();
        const entries = (await entriesIn(boundsOfCustomer(customerKey))).map((entry) => parseCustomerEntry(entry));
        const old = entries.filter(({ atMs }) => atMs <= untilMs);
        if (old.length === 0) break;
        const done = await Promise.all(
          old.map(async ({ kind, id }) => {
            const head = await headAt(kind, id);
            return head !== null && isOf(decodeDocument(id, head), customerKey, untilMs) && (await change(kind, id, head, null));
          }),
        );
        forgotten += done.filter(Boolean).length;
      }
      // Also of nobody's: what was removed before is in the files still.
      const bucket = DOCUMENT_BUCKETS[0]!;
      await one({ bucket, run: 'SET', args: [keys.wiped(bucket), randomBytes(8)] });
      onWipe();
      return forgotten;
    },
  };
};

const versionOf = (head: Buffer): number => head.readUInt32BE(0);

const boundsOf = ({ prefix, fromMs, toMs }: IndexRange): readonly [Buffer, Buffer] => [boundOf(prefix, fromMs), boundOf(prefix, toMs)];

/** As ZRANGEBYLEX wants them: the first inclusive, the second exclusive. */
const lexBounds = ([from, to]: readonly [Buffer, Buffer]): [Buffer, Buffer] => [
  Buffer.concat([Buffer.from('['), from]),
  Buffer.concat([Buffer.from('('), to]),
];

const isFound = (document: StoredDocument, { customerKey, state }: DocumentQuery): boolean =>
  (customerKey === undefined || document.customerKey?.equals(customerKey) === true) && (state === undefined || document.state === state);

const isOf = ({ customerKey: of, atMs }: StoredDocument, customerKey: Buffer, untilMs: number): boolean =>
  of?.equals(customerKey) === true && atMs <= untilMs;
