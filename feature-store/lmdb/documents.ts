/** Documents on LMDB: a table of documents, one of their indexes, changed in one transaction. */
import { decodeDocument, encodeDocument } from '../document-codec.ts';
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
import type { DocumentQuery, Documents, StoredDocument } from '../documents.ts';
import { refuseWrongDocument, refuseWrongId, refuseWrongKey, refuseWrongQuery } from '../refuse-wrong-documents.ts';
import { attempt, type Environment, type Table } from './environment.ts';
import { fromWholePages, toWholePages } from './whole-pages.ts';
import { createWipeSoon } from './wipe-soon.ts';

export interface LmdbDocuments {
  readonly documents: Documents;
  /** Before the environment closes. */
  readonly stop: () => Promise<void>;
}

export const createLmdbDocuments = (environment: Environment): LmdbDocuments => {
  const table = environment.table('documents');
  const index = environment.table('index');
  const wipe = createWipeSoon(environment);

  const stored = (kind: string, id: string): StoredDocument | null => {
    const bytes = table.getBinary(keyOf(kind, id));
    return bytes === undefined ? null : decodeDocument(id, fromWholePages(bytes));
  };
  const take = (kind: string, document: StoredDocument): void => {
    for (const entry of entriesOf(kind, document)) index.removeSync(entry);
    table.removeSync(keyOf(kind, document.id));
  };
  /** One moment's documents: what another process wrote is seen at once, and nothing of it in the middle. */
  const read = <T>(what: string, step: () => T): T =>
    attempt(what, () => {
      environment.root.resetReadTxn();
      return step();
    });

  return {
    stop: () => wipe.stop(),
    documents: {
      async get(kind, id) {
        refuseWrongId(kind, id);
        return read('read a document', () => stored(kind, id));
      },
      async put(kind, document, expected) {
        refuseWrongDocument(kind, document);
        return environment.durably(() => {
          const before = stored(kind, document.id);
          if ((before?.version ?? null) !== expected) return null;
          const version = (expected ?? 0) + 1;
          if (before !== null) take(kind, before);
          table.putSync(keyOf(kind, document.id), toWholePages(encodeDocument(document, version)));
          for (const entry of entriesOf(kind, document)) index.putSync(entry, NOTHING);
          return version;
        });
      },
      async remove(kind, id, expected) {
        refuseWrongId(kind, id);
        return environment.durably(() => {
          const before = stored(kind, id);
          if (before === null) return true;
          if (before.version !== expected) return false;
          take(kind, before);
          return true;
        });
      },
      async list(kind, query) {
        refuseWrongQuery(kind, query);
        return read('list documents', () => {
          const { total, ids } = find(index, kind, query);
          return { total, documents: ids.flatMap((id) => stored(kind, id) ?? []) };
        });
      },
      async due(kind, nowMs, limit) {
        refuseWrongQuery(kind, { limit });
        return read('read what is due', () => {
          const range = rangeOfDue(kind, nowMs);
          return keysOf(index, range, { limit }).flatMap((entry) => stored(kind, idOfEntry(entry, range)) ?? []);
        });
      },
      async forget(customerKey, untilMs = Infinity) {
        refuseWrongKey(customerKey);
        const [start, end] = boundsOfCustomer(customerKey);
        const forgotten = await environment.durably(() => {
          const entries = [...index.getKeys({ start, end })]
            .map((entry) => parseCustomerEntry(entry))
            .filter(({ atMs }) => atMs <= untilMs);
          for (const { kind, id } of entries) take(kind, stored(kind, id)!);
          wipe.mark();
          return entries.length;
        });
        wipe.soon();
        return forgotten;
      },
    },
  };
};

const NOTHING = Buffer.alloc(0);

const keyOf = (kind: string, id: string): Buffer => Buffer.from(`${kind}\0${id}`);

interface Part {
  readonly newestFirst?: boolean;
  readonly offset?: number;
  readonly limit: number;
}

const keysOf = (
  index: Table,
  { prefix, fromMs, toMs }: IndexRange,
  { newestFirst = false, offset = 0, limit }: Part,
): readonly Buffer[] => {
  if (limit === 0) return [];
  const [first, last] = [boundOf(prefix, fromMs), boundOf(prefix, toMs)];
  const ends = newestFirst ? { start: last, end: first, reverse: true } : { start: first, end: last };
  return [...index.getKeys({ ...ends, offset, limit })];
};

const find = (index: Table, kind: string, query: DocumentQuery): { readonly total: number; readonly ids: readonly string[] } => {
  const { customerKey, state, offset = 0, limit } = query;
  const range = rangeOfQuery(kind, query);
  if (customerKey === undefined) {
    const total = index.getKeysCount({ start: boundOf(range.prefix, range.fromMs), end: boundOf(range.prefix, range.toMs) });
    return { total, ids: keysOf(index, range, query).map((entry) => idOfEntry(entry, range)) };
  }
  const all = keysOf(index, range, { newestFirst: query.newestFirst ?? false, limit: Infinity }).map((entry) => parseCustomerEntry(entry));
  const found = state === undefined ? all : all.filter((entry) => entry.state === state);
  return { total: found.length, ids: found.slice(offset, offset + limit).map(({ id }) => id) };
};
