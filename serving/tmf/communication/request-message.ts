/** A posted message becomes documents and outbound decisions: one for each receiver, through the decider of POST /v1/decisions. */
import {
  DAY_MS,
  SCHEDULED,
  TOPICS,
  UNSAID,
  communicationCodec,
  createDecisionId,
  customerKeyOfDecision,
  customerKeyToBytes,
  decisionIdFromBytes,
  decisionIdToBytes,
  shardOfDecision,
  type CommunicationDocument,
} from '#contracts';
import { explain } from '#decisioning';
import type { ServingContext } from '../../context.ts';
import type { Made } from '../../deciding/decider.ts';
import type { CompiledProject } from '../../holders/catalog-holder.ts';
import type { TmfBody } from '../resource.ts';
import { channelOf, recipientOf, visitorOf, type Recipient } from './address.ts';
import type { PostedMessage } from './check-message.ts';
import { fillContent } from './fill-content.ts';
import type { MessageStore, TmfPart } from './message-store.ts';

export const TMF681_CAUSE = 'tmf681';

export type RequestDeps = Pick<ServingContext, 'appender' | 'catalog' | 'clock' | 'decider' | 'subjects'> & {
  readonly messages: MessageStore;
  /** Uniform in [0, 1). */
  readonly random: () => number;
};

const TWO_POW_32 = 4_294_967_296;
const MINUTE_MS = 60_000;
const LONGEST_AHEAD_MS = 90 * DAY_MS;
const NOBODY = '';
/** So that an action can be for such requests alone: `eligibility: context.reason == "tmf681"`. */
const CONTEXT = Object.freeze({ reason: TMF681_CAUSE });

/** Resolves to the message's id. Rejects with a 503 problem when nothing durable can be promised; then nothing is kept of it. */
export const createRequester = (deps: RequestDeps): ((message: PostedMessage) => Promise<string>) => {
  const { messages, decider, clock, random } = deps;

  const newId = (): string => {
    const draw = (): number => Math.floor(random() * TWO_POW_32);
    return createDecisionId({ atMs: clock(), shard: draw() & 0xffff, entropy: [draw(), draw()] });
  };

  /** @param partOf what the document says of itself as a resource */
  const requestOne = async (message: PostedMessage, receiver: TmfBody, part: TmfPart, hidden: boolean): Promise<string> => {
    const compiled = deps.catalog.current();
    const channel = channelOf(message.messageType, compiled.channels);
    const recipient = recipientOf(receiver, channel);
    const actionId = actionOf(message, compiled);
    const facts = { channel: channel ?? message.messageType.slice(0, 60), actionId: actionId ?? '', recipient };
    const hopeless = faultOf(message, { channel, actionId, recipient }, compiled, clock());
    if (hopeless !== null) return refuse(message, facts, hopeless, part, hidden);
    const whom =
      recipient.customerId === null ? { anonymousId: visitorOf(channel!, recipient.address!) } : { customerId: recipient.customerId };
    const sendAtMs = scheduledMsOf(message);
    if (sendAtMs > clock() + MINUTE_MS)
      return schedule(message, { ...facts, channel: channel!, actionId: actionId! }, whom, sendAtMs, part, hidden);
    let id = '';
    const keep = async (made: Made): Promise<void> => {
      const { decision } = made;
      const [chosen] = decision.chosen;
      const asked = chosen !== undefined || (decision.heldOut ?? -1) >= 0;
      const document: CommunicationDocument = {
        ...documentOf(message, facts, compiled, decision.decidedAt),
        communicationId: decision.decisionId.toString('hex'),
        decisionId: decisionIdFromBytes(decision.decisionId),
        customerKey: decision.customerKey.toString('hex'),
        treatmentId: chosen?.treatmentId ?? '',
        ...(asked ? {} : stepOf('denied', whyNot(made, compiled, facts.actionId), decision.decidedAt)),
      };
      await messages.add(document, part, hidden ? 0 : decision.decidedAt);
      id = document.communicationId;
    };
    try {
      await decider.decideFor(
        { ...whom, channel: channel!, direction: 'outbound', limit: 1, scope: { actions: [actionId!] }, context: CONTEXT },
        { cause: TMF681_CAUSE, beforeAppend: keep },
      );
      return id;
    } catch (error) {
      if (id !== '') await messages.remove(id).catch(() => undefined);
      throw error;
    }
  };

  /** The decision is made when its time comes, by the state role, on the customer as he is then. */
  const schedule = async (
    message: PostedMessage,
    facts: Facts,
    whom: { readonly customerId: string } | { readonly anonymousId: string },
    sendAtMs: number,
    part: TmfPart,
    hidden: boolean,
  ): Promise<string> => {
    const subject =
      'customerId' in whom ? deps.subjects.find('customer', whom.customerId) : deps.subjects.find('anonymous', whom.anonymousId);
    const nowMs = clock();
    const draw = (): number => Math.floor(random() * TWO_POW_32);
    const decisionId = createDecisionId({ atMs: nowMs, shard: subject.shard, entropy: [draw(), draw()] });
    const communicationId = decisionIdToBytes(decisionId);
    const document: CommunicationDocument = {
      ...documentOf(message, facts, deps.catalog.current(), nowMs),
      communicationId: communicationId.toString('hex'),
      decisionId,
      customerKey: subject.key,
      ...stepOf('deferred', SCHEDULED, nowMs),
    };
    const value = communicationCodec.encode({
      ...UNSAID,
      communicationId,
      decisionId: communicationId,
      customerKey: subject.keyBytes,
      channel: facts.channel,
      treatmentId: '',
      state: 'deferred',
      reasonCode: SCHEDULED,
      at: nowMs,
      until: sendAtMs,
      actionId: facts.actionId,
      cause: TMF681_CAUSE,
      request: JSON.stringify({
        channel: facts.channel,
        scope: JSON.stringify({ actions: [facts.actionId] }),
        context: JSON.stringify(CONTEXT),
      }),
    });
    await tellOf(document, part, hidden ? 0 : nowMs, subject.shard, value);
    return document.communicationId;
  };

  /** The document first: whoever is told of it finds it. */
  const tellOf = async (document: CommunicationDocument, part: TmfPart, atMs: number, shard: number, value: Buffer): Promise<void> => {
    await messages.add(document, part, atMs);
    try {
      await deps.appender.append([{ topic: TOPICS.communications, shard, value }]);
    } catch (error) {
      await messages.remove(document.communicationId).catch(() => undefined);
      throw error;
    }
  };

  /** What no decision can help: kept, told in the log, and shown with its reason. */
  const refuse = async (message: PostedMessage, facts: Facts, reasonCode: string, part: TmfPart, hidden: boolean): Promise<string> => {
    const { customerId } = facts.recipient;
    const subject = customerId === null ? null : deps.subjects.find('customer', customerId);
    const decisionId = newId() as ReturnType<typeof createDecisionId>;
    const communicationId = decisionId.replaceAll('-', '');
    const nowMs = clock();
    const document: CommunicationDocument = {
      ...documentOf(message, facts, deps.catalog.current(), nowMs),
      communicationId,
      customerKey: subject?.key ?? NOBODY,
      ...stepOf('failed', reasonCode, nowMs),
    };
    const value = communicationCodec.encode({
      ...UNSAID,
      communicationId: Buffer.from(communicationId, 'hex'),
      decisionId: null,
      customerKey: subject?.keyBytes ?? customerKeyToBytes(customerKeyOfDecision(decisionId)),
      channel: facts.channel,
      treatmentId: '',
      state: 'failed',
      reasonCode,
      at: nowMs,
      actionId: facts.actionId,
      cause: TMF681_CAUSE,
    });
    await tellOf(document, part, hidden ? 0 : nowMs, subject?.shard ?? shardOfDecision(decisionId), value);
    return communicationId;
  };

  const requestAll = async (message: PostedMessage): Promise<string> => {
    const group = newId().replaceAll('-', '');
    const { receiver: receivers, ...shared } = message;
    const members: string[] = [];
    try {
      for (const receiver of receivers) members.push(await requestOne(message, receiver, { kind: 'member', group, receiver }, true));
      const nowMs = clock();
      const nobody: Facts = { channel: message.messageType.slice(0, 60), actionId: '', recipient: { customerId: null, address: null } };
      const document = { ...documentOf(message, nobody, deps.catalog.current(), nowMs), communicationId: group, content: null };
      await messages.add(document, { kind: 'group', message: shared, members, seen: {} }, nowMs);
      return group;
    } catch (error) {
      // What was decided stays decided, and without its text it is not sent.
      for (const id of members) await messages.remove(id).catch(() => undefined);
      throw error;
    }
  };

  return (message) => {
    const [first, ...others] = message.receiver;
    return others.length > 0 ? requestAll(message) : requestOne(message, first!, { kind: 'whole', message }, false);
  };
};

interface Facts {
  readonly channel: string;
  readonly actionId: string;
  readonly recipient: Recipient;
}

const documentOf = (
  message: PostedMessage,
  { channel, actionId, recipient }: Facts,
  compiled: CompiledProject,
  nowMs: number,
): CommunicationDocument => ({
  communicationId: '',
  decisionId: null,
  customerId: recipient.customerId,
  customerKey: NOBODY,
  channel,
  actionId,
  treatmentId: '',
  cause: TMF681_CAUSE,
  ...stepOf('requested', null, nowMs),
  address: recipient.address,
  content: fillContent(message, compiled.catalog.channels.get(channel)?.escape ?? 'text'),
  language: null,
  expiresAt: null,
  attempts: 0,
  providerId: null,
  doubtful: false,
  tmf: null,
});

const stepOf = (
  state: CommunicationDocument['state'],
  reasonCode: string | null,
  at: number,
): Pick<CommunicationDocument, 'state' | 'reasonCode' | 'history'> => ({ state, reasonCode, history: [{ state, at, reasonCode }] });

/** 0: at once. */
const scheduledMsOf = ({ scheduledSendTime }: PostedMessage): number =>
  typeof scheduledSendTime === 'string' ? Date.parse(scheduledSendTime) : 0;

/** Null: a decision is worth making. */
const faultOf = (
  message: PostedMessage,
  { channel, actionId, recipient }: { readonly channel: string | null; readonly actionId: string | null; readonly recipient: Recipient },
  { catalog }: CompiledProject,
  nowMs: number,
): string | null => {
  if (channel === null) return 'noChannel';
  if (actionId === null || !catalog.indexOf.has(actionId)) return 'noAction';
  if (recipient.customerId === null && recipient.address === null) return 'noAddress';
  if (scheduledMsOf(message) > nowMs + LONGEST_AHEAD_MS) return 'scheduledAhead';
  return null;
};

/** By the characteristic `purpose`; null: the catalog has none for such requests. */
const actionOf = (message: PostedMessage, { channels }: CompiledProject): string | null => {
  const { requests } = channels;
  if (requests === null) return null;
  const purpose = (message['characteristic'] as readonly TmfBody[] | undefined)?.find(({ name }) => name === 'purpose')?.['value'];
  return (typeof purpose === 'string' ? requests.purposes.get(purpose) : undefined) ?? requests.action;
};

const whyNot = ({ decision, view }: Made, { catalog }: CompiledProject, actionId: string): string => {
  const candidate = explain({ receipt: decision, catalog, view }).candidates.find((one) => one.actionId === actionId);
  return candidate?.rule ?? candidate?.stage ?? 'notChosen';
};
