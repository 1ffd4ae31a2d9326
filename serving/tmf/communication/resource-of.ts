/** A message as TMF681 shows it, whoever wanted it. */
import type { CommunicationDocument } from '#contracts';
import type { Channels } from '#project';
import { hrefOf } from '../resource-routes.ts';
import type { TmfResource } from '../resource.ts';
import type { StoredMessage } from './message-store.ts';
import { confirmsDelivery, messageStateOf, stateOfAll, type MessageState } from './states.ts';

export const TMF681 = Object.freeze({ base: '/tmf-api/communicationManagement/v4', name: 'communicationMessage' });

export const stateOf = ({ document }: Pick<StoredMessage, 'document'>, { channels }: Channels): MessageState =>
  messageStateOf(document.state, confirmsDelivery(channels.get(document.channel)));

/**
 * @param members of a group, those that are still there
 * @returns null of what is no resource: members, what was deleted, groups whose receivers were all erased
 */
export const resourceOf = (message: StoredMessage, members: readonly StoredMessage[], channels: Channels): TmfResource | null => {
  const { document, part } = message;
  const identity = { id: document.communicationId, href: hrefOf(TMF681, document.communicationId) };
  if (part === null) return { ...identity, ...describe(document), ...progressOf([message], channels), '@type': 'CommunicationMessage' };
  if (part.kind === 'whole') return { '@type': 'CommunicationMessage', ...part.message, ...identity, ...progressOf([message], channels) };
  if (part.kind !== 'group' || members.length === 0) return null;
  const receiver = members.flatMap(({ part }) => (part?.kind === 'member' ? [part.receiver] : []));
  return { '@type': 'CommunicationMessage', ...part.message, receiver, ...identity, ...progressOf(members, channels) };
};

interface Progress {
  readonly state: MessageState;
  /** Why it is so; of several receivers, of those whom it did not reach. */
  readonly stateReason?: string;
  readonly sendTime?: string;
  readonly sendTimeComplete?: string;
}

const progressOf = (messages: readonly StoredMessage[], channels: Channels): Progress => {
  const states = messages.map((message) => stateOf(message, channels));
  const reasons = [...new Set(messages.map(({ document }) => reasonOf(document)).filter((reason) => reason !== ''))];
  const sent = messages.flatMap(({ document }) => document.history.filter(({ state }) => state === 'sent').map(({ at }) => at));
  const state = stateOfAll(states);
  const isOver = sent.length > 0 && (state === 'completed' || state === 'failed');
  return {
    state,
    ...(reasons.length === 0 ? {} : { stateReason: reasons.join('; ') }),
    ...(sent.length === 0 ? {} : { sendTime: timeOf(Math.min(...sent)) }),
    ...(isOver ? { sendTimeComplete: timeOf(Math.max(...sent)) } : {}),
  };
};

const GOOD = new Set(['requested', 'queued', 'sent', 'delivered']);

const reasonOf = ({ state, reasonCode }: CommunicationDocument): string =>
  GOOD.has(state) ? (reasonCode ?? '') : reasonCode === null ? state : `${state}: ${reasonCode}`;

const timeOf = (atMs: number): string => new Date(atMs).toISOString();

/** Of a message that nobody posted. */
const describe = ({ channel, content, customerId, address, actionId, cause }: CommunicationDocument): object => ({
  content: content?.['body'] ?? content?.['text'] ?? '',
  ...(content?.['subject'] === undefined ? {} : { subject: content['subject'] }),
  messageType: channel,
  receiver: [{ ...(customerId === null ? {} : { id: customerId }), ...addressIn(channel, address) }],
  sender: {},
  characteristic: [
    { name: 'actionId', value: actionId, valueType: 'string' },
    { name: 'cause', value: cause, valueType: 'string' },
  ],
});

const addressIn = (channel: string, address: string | null): object =>
  address === null ? {} : channel === 'email' ? { email: address } : channel === 'sms' ? { phoneNumber: address } : { appUserId: address };
