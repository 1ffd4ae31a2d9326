/** What a communicationMessage must be to be taken: little, since addresses, consent and policy are resolved afterwards. */
import { fieldFault } from '../../errors/problem.ts';
import { isObject } from '../merge-patch.ts';
import type { TmfBody } from '../resource.ts';
import { MESSAGE_STATES } from './states.ts';

/** A message with what everyone needs of it checked; the rest is kept as it came. */
export interface PostedMessage extends TmfBody {
  readonly content: string;
  readonly messageType: string;
  readonly receiver: readonly TmfBody[];
  readonly sender: TmfBody;
}

const TEXTS = ['content', 'description', 'messageType', 'subject'] as const;
const MOMENTS = ['scheduledSendTime', 'sendTime', 'sendTimeComplete'] as const;
const MOST_RECEIVERS = 100;
const LONGEST_CONTENT = 100_000;
const LONGEST_NAME = 200;

/** @param body of a POST. Throws a 400 that names the attribute. */
export const checkMessage = (body: TmfBody): PostedMessage => {
  for (const name of ['content', 'messageType', 'receiver', 'sender']) {
    if (body[name] === undefined || body[name] === null) throw fieldFault(name, 'is required');
  }
  return checkAttributes(body) as PostedMessage;
};

/** Of a POST or a patch: what is there must be of its kind. One receiver may stand without its brackets. */
export const checkAttributes = (body: TmfBody): TmfBody => {
  for (const name of TEXTS) if (has(body, name) && typeof body[name] !== 'string') throw fieldFault(name, 'must be a text');
  if (has(body, 'content') && (body['content'] as string).length > LONGEST_CONTENT)
    throw fieldFault('content', `must have at most ${LONGEST_CONTENT} characters`);
  for (const name of MOMENTS)
    if (has(body, name) && (typeof body[name] !== 'string' || Number.isNaN(Date.parse(body[name]))))
      throw fieldFault(name, 'must be a date-time (RFC 3339)');
  if (has(body, 'sender') && !isObject(body['sender'])) throw fieldFault('sender', 'must be an object, {} where nothing is to be said');
  if (has(body, 'state') && !(MESSAGE_STATES as readonly unknown[]).includes(body['state']))
    throw fieldFault('state', `must be one of ${MESSAGE_STATES.join(', ')}`);
  if (has(body, 'tryTimes') && !/^\d{1,9}$/.test(wordOf(body['tryTimes']))) throw fieldFault('tryTimes', 'must be a whole number');
  for (const name of ['characteristic', 'attachment'])
    if (has(body, name) && !(Array.isArray(body[name]) && body[name].every(isObject)))
      throw fieldFault(name, 'must be an array of objects');
  return has(body, 'receiver') ? { ...body, receiver: checkReceivers(body['receiver']) } : body;
};

/** Some send numbers as texts. */
const wordOf = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');

const has = (body: TmfBody, name: string): boolean => body[name] !== undefined && body[name] !== null;

const checkReceivers = (given: unknown): readonly TmfBody[] => {
  const receivers: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (receivers.length === 0) throw fieldFault('receiver', 'must have at least one');
  if (receivers.length > MOST_RECEIVERS) throw fieldFault('receiver', `must have at most ${MOST_RECEIVERS}; send several messages`);
  return receivers.map((receiver, index) => {
    if (!isObject(receiver)) throw fieldFault(`receiver.${index}`, 'must be an object, {} where nothing is to be said');
    for (const name of ['id', 'phoneNumber', 'email', 'appUserId', 'ip']) {
      const value = receiver[name];
      if (value !== undefined && value !== null && !(typeof value === 'string' && value.length <= LONGEST_NAME))
        throw fieldFault(`receiver.${index}.${name}`, `must be a text of at most ${LONGEST_NAME} characters`);
    }
    return receiver;
  });
};
