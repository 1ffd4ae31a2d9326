/** Finds the message that a receipt tells of, and appends what became of it. */
import {
  COMMUNICATION_KIND,
  TOPICS,
  UNSAID,
  communicationCodec,
  decisionIdFromBytes,
  decisionIdToBytes,
  parseDecisionId,
  shardOfDecision,
  type Clock,
  type Communication,
  type CommunicationDocument,
} from '#contracts';
import { applyStep, documentOf, providerKindOf, providerNameOf, type Documents } from '#feature-store';
import { notFound } from '../errors/problem.ts';
import type { Appender } from '../receipts/append-in-time.ts';
import type { Told } from './told.ts';

export interface TakeReceiptDeps {
  readonly documents: Documents;
  readonly appender: Appender;
  readonly clock: Clock;
}

/** In which a message may have left us: of others nobody can tell what became of them. */
const MAY_HAVE_LEFT: ReadonlySet<string> = new Set(['queued', 'sent', 'delivered', 'failed', 'bounced', 'expired']);
const LONGEST_REASON = 200;

/**
 * Told again it appends nothing. Throws a 404 problem when no message of the channel has the id.
 * @returns the message's id
 */
export const takeReceipt = async ({ documents, appender, clock }: TakeReceiptDeps, channel: string, told: Told): Promise<string> => {
  const id = idOf(told) ?? (await idOfProvider(documents, channel, told.providerId));
  const stored = id === null ? null : await documents.get(COMMUNICATION_KIND, id);
  const document = stored === null ? null : documentOf(stored);
  // Another channel's message is none of this peer's.
  if (document === null || document.channel !== channel || !MAY_HAVE_LEFT.has(document.state))
    throw notFound(`channel "${channel}" has sent no message of that id (or its sending is not on record yet: then tell it again)`);
  const { communicationId, state } = document;
  if (told.state === null || told.state === state || state === 'delivered') return communicationId;
  const record = stepOf(document, told, clock());
  await appender.append([
    {
      topic: TOPICS.communications,
      shard: shardOfDecision(decisionIdFromBytes(record.communicationId)),
      value: communicationCodec.encode(record),
    },
  ]);
  // The log tells it to everyone; here it keeps the next telling from being another record.
  await applyStep(documents, record);
  return communicationId;
};

const stepOf = (document: CommunicationDocument, told: Told, nowMs: number): Communication => {
  const decisionId = document.decisionId === null ? null : parseDecisionId(document.decisionId);
  return {
    ...UNSAID,
    communicationId: Buffer.from(document.communicationId, 'hex'),
    decisionId: decisionId === null ? null : decisionIdToBytes(decisionId),
    customerKey: Buffer.from(document.customerKey, 'hex'),
    channel: document.channel,
    treatmentId: document.treatmentId,
    actionId: document.actionId,
    cause: document.cause,
    state: told.state!,
    reasonCode: told.state === 'delivered' ? null : reasonOf(told.reason, document.address),
    // A peer's clock is not ours: nothing comes before it was asked for, or after now.
    at: Math.min(nowMs, Math.max(told.atMs ?? nowMs, document.history[0]?.at ?? 0)),
  };
};

/** Peers repeat the address, which is personal. */
const reasonOf = (reason: string | null, address: string | null): string | null => {
  if (reason === null) return null;
  const without = address === null || address === '' ? reason : reason.replaceAll(address, '…');
  return without
    .replaceAll(/\p{Cc}/gu, ' ')
    .slice(0, LONGEST_REASON)
    .toWellFormed();
};

const idOf = ({ communicationId }: Told): string | null => {
  if (communicationId === null) return null;
  const hex = communicationId.toLowerCase().replaceAll('-', '');
  return /^[0-9a-f]{32}$/.test(hex) ? hex : null;
};

const idOfProvider = async (documents: Documents, channel: string, providerId: string | null): Promise<string | null> => {
  const named =
    providerId === null || providerId.length > 1_000 ? null : await documents.get(providerKindOf(channel), providerNameOf(providerId));
  return named === null ? null : named.body.toString('utf8');
};
