/** Messages as documents: those of the system, those posted by TMF681, and groups of several receivers. */
import { COMMUNICATION_KIND, type CommunicationDocument } from '#contracts';
import type { Documents, StoredDocument } from '#feature-store';
import { newestFirst } from '../newest-first.ts';
import type { TmfBody } from '../resource.ts';
import type { MessageState } from './states.ts';

/** What a posted message keeps beside its delivery, in the document's `tmf`. */
export type TmfPart =
  /** To one receiver. */
  | { readonly kind: 'whole'; readonly message: TmfBody }
  /** To several: no delivery of its own, but one a member. The receivers stand in the members, so that erasing one erases him here. */
  | {
      readonly kind: 'group';
      readonly message: TmfBody;
      readonly members: readonly string[];
      readonly seen: Readonly<Record<string, MessageState>>;
    }
  | { readonly kind: 'member'; readonly group: string; readonly receiver: TmfBody }
  /** The API has none any more; delivery may still tell what became of it. */
  | { readonly kind: 'deleted' };

export interface StoredMessage {
  readonly stored: StoredDocument;
  readonly document: CommunicationDocument;
  /** Null: it did not come by TMF681. */
  readonly part: TmfPart | null;
}

/** Lists begin after it: members of groups, and what was deleted, stand here and are no resources of their own. */
export const HIDDEN_AT_MS = 0;

export interface MessageStore {
  /** Null: there is none. Members and deleted ones are found too. */
  find(id: string): Promise<StoredMessage | null>;
  /** False: there is one already. */
  add(document: CommunicationDocument, part: TmfPart, atMs: number): Promise<boolean>;
  /** Changes what is there; null where nothing is or `change` says so. Called again when another was faster. */
  change(
    id: string,
    change: (message: StoredMessage) => { readonly document: CommunicationDocument; readonly part: TmfPart | null } | null,
  ): Promise<StoredMessage | null>;
  /** What was shown is hidden from now on. False: another was faster. */
  hide(message: StoredMessage, document: CommunicationDocument): Promise<boolean>;
  remove(id: string): Promise<void>;
  /** Newest first; no hidden ones. */
  page(slice: {
    readonly offset: number;
    readonly limit: number;
  }): Promise<{ readonly messages: readonly StoredMessage[]; readonly total: number }>;
  all(): AsyncIterable<StoredMessage>;
  /** Of one customer, hidden ones too. */
  ofCustomer(customerKey: Buffer): AsyncIterable<StoredMessage>;
}

export const createMessageStore = (documents: Documents): MessageStore => {
  const find = async (id: string): Promise<StoredMessage | null> => {
    // What cannot be an id of ours is not asked for.
    const stored = /^[0-9a-f]{32}$/.test(id) ? await documents.get(COMMUNICATION_KIND, id) : null;
    return stored === null ? null : read(stored);
  };
  const pages = async function* (query: { customerKey?: Buffer; fromMs?: number }): AsyncIterable<StoredMessage> {
    for await (const stored of newestFirst(documents, COMMUNICATION_KIND, query)) yield read(stored);
  };
  return {
    find,
    async add(document, part, atMs) {
      const write = { ...placeOf(document), atMs, body: bodyOf(document, part) };
      return (await documents.put(COMMUNICATION_KIND, { ...write, dueMs: null }, null)) !== null;
    },
    async change(id, change) {
      for (;;) {
        const message = await find(id);
        const next = message === null ? null : change(message);
        if (message === null || next === null) return null;
        const { version, ...before } = message.stored;
        const write = { ...before, state: next.document.state, body: bodyOf(next.document, next.part) };
        const written = await documents.put(COMMUNICATION_KIND, write, version);
        if (written !== null) return { ...next, stored: { ...write, version: written } };
      }
    },
    async hide({ stored }, document) {
      if (!(await documents.remove(COMMUNICATION_KIND, stored.id, stored.version))) return false;
      const write = { ...placeOf(document), atMs: HIDDEN_AT_MS, body: bodyOf(document, { kind: 'deleted' }) };
      await documents.put(COMMUNICATION_KIND, { ...write, dueMs: stored.dueMs }, null);
      return true;
    },
    async remove(id) {
      const message = await find(id);
      if (message !== null) await documents.remove(COMMUNICATION_KIND, id, message.stored.version);
    },
    async page(slice) {
      const found = await documents.list(COMMUNICATION_KIND, {
        fromMs: HIDDEN_AT_MS + 1,
        newestFirst: true,
        offset: slice.offset,
        limit: Math.max(1, slice.limit),
      });
      return { messages: slice.limit === 0 ? [] : found.documents.map(read), total: found.total };
    },
    all: () => pages({ fromMs: HIDDEN_AT_MS + 1 }),
    ofCustomer: (customerKey) => pages({ customerKey }),
  };
};

const read = (stored: StoredDocument): StoredMessage => {
  const document = JSON.parse(stored.body.toString()) as CommunicationDocument;
  return { stored, document, part: document.tmf as TmfPart | null };
};

const placeOf = (document: CommunicationDocument): Pick<StoredDocument, 'id' | 'customerKey' | 'state'> => ({
  id: document.communicationId,
  customerKey: document.customerKey === '' ? null : Buffer.from(document.customerKey, 'hex'),
  state: document.state,
});

const bodyOf = (document: CommunicationDocument, part: TmfPart | null): Buffer => Buffer.from(JSON.stringify({ ...document, tmf: part }));
