/** The documents of messages: one a message for people to look at, one that still has to leave, and one under the name that the next hop gave it. */
import { COMMUNICATION_KIND, customerKeyFromBytes, decisionIdFromBytes } from '#contracts';
import type { Communication, CommunicationDocument, CommunicationState } from '#contracts';
import type { Documents, StoredDocument } from './documents.ts';

/** The outbox of one channel: a kind of its own, so that what waits on one channel is never read past on behalf of another. */
export const outboxOf = (channel: string): string => `outbox-${channel}`;
/** Under the name that the next hop gave a message: its communicationId. */
export const providerKindOf = (channel: string): string => `provider-${channel}`;
export const providerNameOf = (providerId: string): string => Buffer.from(providerId).subarray(0, 128).toString('latin1').slice(0, 64);

/** A later step is never overwritten by an earlier one that arrives after it. */
const RANKS: Readonly<Record<string, number>> = { requested: 0, deferred: 1, queued: 2, sent: 3 };
const rankOf = (state: string): number => RANKS[state] ?? 4;

export const documentOf = (stored: StoredDocument): CommunicationDocument =>
  JSON.parse(stored.body.toString('utf8')) as CommunicationDocument;

const write = (document: CommunicationDocument, atMs: number) => ({
  id: document.communicationId,
  customerKey: Buffer.from(document.customerKey, 'hex'),
  state: document.state,
  atMs,
  dueMs: null,
  body: Buffer.from(JSON.stringify(document)),
});

/** Puts the step of a record into its message's document; `queued` makes one where there is none. Null: there is none. */
export const applyStep = async (documents: Documents, record: Communication): Promise<CommunicationDocument | null> => {
  const id = record.communicationId.toString('hex');
  for (;;) {
    const stored = await documents.get(COMMUNICATION_KIND, id);
    if (stored === null && record.state !== 'queued') return null;
    const before = stored === null ? null : documentOf(stored);
    if (before !== null && !follows(before.state, record.state)) return before;
    const after = before === null ? newDocument(id, record) : withStep(before, record);
    if ((await documents.put(COMMUNICATION_KIND, write(after, stored?.atMs ?? record.at), stored?.version ?? null)) !== null) return after;
  }
};

/** What a receipt says comes after `sent`, and only the last word of a peer that corrects itself counts. */
const follows = (before: string, after: CommunicationState): boolean =>
  before !== after && rankOf(after) >= rankOf(before) && !(before === 'delivered');

const newDocument = (communicationId: string, record: Communication): CommunicationDocument => ({
  communicationId,
  decisionId: record.decisionId === null ? null : decisionIdFromBytes(record.decisionId),
  customerId: null,
  customerKey: customerKeyFromBytes(record.customerKey),
  channel: record.channel,
  actionId: record.actionId,
  treatmentId: record.treatmentId,
  cause: record.cause,
  state: record.state,
  reasonCode: record.reasonCode,
  address: record.address,
  content: contentOf(record),
  language: record.language,
  expiresAt: record.expiresAt,
  attempts: record.attempt,
  providerId: record.providerId,
  doubtful: record.doubtful,
  history: [{ state: record.state, at: record.at, reasonCode: record.reasonCode }],
  tmf: null,
});

const withStep = (before: CommunicationDocument, record: Communication): CommunicationDocument => ({
  ...before,
  ...(record.state === 'queued' && {
    // Of a chain of deferrals the decision that was let out.
    decisionId: record.decisionId === null ? before.decisionId : decisionIdFromBytes(record.decisionId),
    channel: record.channel,
    actionId: record.actionId,
    treatmentId: record.treatmentId,
    // What a request by TMF681 named goes before the customer's own.
    address: before.address ?? record.address,
    content: before.content ?? contentOf(record),
    language: record.language ?? before.language,
    expiresAt: record.expiresAt ?? before.expiresAt,
  }),
  state: record.state,
  reasonCode: record.reasonCode,
  attempts: Math.max(before.attempts, record.attempt),
  providerId: record.providerId ?? before.providerId,
  doubtful: before.doubtful || record.doubtful,
  history: [...before.history, { state: record.state, at: record.at, reasonCode: record.reasonCode }],
});

const contentOf = ({ content }: Communication): CommunicationDocument['content'] =>
  content === null ? null : (JSON.parse(content) as Record<string, string>);
