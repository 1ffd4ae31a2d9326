/** TMF681's communicationMessage: a face of the messages that Attune sends, whoever wanted them. */
import { randomUUID } from 'node:crypto';
import {
  SCHEDULED,
  TOPICS,
  UNSAID,
  communicationCodec,
  decisionIdFromBytes,
  shardOfDecision,
  type CommunicationDocument,
} from '#contracts';
import type { ServingContext } from '../../context.ts';
import { fieldFault } from '../../errors/problem.ts';
import type { Publisher } from '../hub/publish.ts';
import { mergePatch } from '../merge-patch.ts';
import { valuesNamed, type Filter } from '../query/filter.ts';
import type { TmfBody, TmfFace, TmfResource } from '../resource.ts';
import { checkAttributes, checkMessage } from './check-message.ts';
import { fillContent } from './fill-content.ts';
import { createGroups } from './groups.ts';
import type { MessageStore, StoredMessage } from './message-store.ts';
import { createRequester, type RequestDeps } from './request-message.ts';
import { TMF681 } from './resource-of.ts';
import { CommunicationMessage, CommunicationMessageCreate, CommunicationMessageUpdate } from './schemas.ts';

export type CommunicationFaceDeps = RequestDeps & { readonly publisher: Publisher; readonly subjects: ServingContext['subjects'] };

export const createCommunicationFace = (deps: CommunicationFaceDeps): TmfFace => {
  const { messages, publisher, clock, catalog, appender } = deps;
  const channels = () => catalog.current().channels;
  const groups = createGroups(messages, channels);
  const request = createRequester(deps);

  const publish = (type: string, resource: TmfResource, message: StoredMessage): Promise<void> =>
    publisher.publish({
      eventId: randomUUID(),
      atMs: clock(),
      type: `CommunicationMessage${type}Event`,
      resource,
      customerKey: message.stored.customerKey,
    });

  const find = async (id: string): Promise<{ message: StoredMessage; resource: TmfResource } | null> => {
    const message = await messages.find(id);
    const resource = message === null ? null : await groups.resourceOf(message);
    return message === null || resource === null ? null : { message, resource };
  };

  /** What has not left yet does not leave; the log says so. */
  const cancel = async (message: StoredMessage): Promise<void> => {
    for (const one of message.part?.kind === 'group' ? await groups.membersOf(message) : [message]) {
      const cancelled = await messages.change(one.document.communicationId, ({ document, part }) =>
        isOpen(document) ? { document: stepTo(document, 'cancelled', 'requested', clock()), part } : null,
      );
      if (cancelled === null) continue;
      const { document } = cancelled;
      const communicationId = Buffer.from(document.communicationId, 'hex');
      const value = communicationCodec.encode({
        ...UNSAID,
        communicationId,
        // Of a chain of deferrals the decision that was let out, which holds the contact.
        decisionId: document.decisionId === null ? null : Buffer.from(document.decisionId.replaceAll('-', ''), 'hex'),
        customerKey: document.customerKey === '' ? communicationId : Buffer.from(document.customerKey, 'hex'),
        channel: document.channel,
        treatmentId: document.treatmentId,
        state: 'cancelled',
        reasonCode: 'requested',
        at: clock(),
        actionId: document.actionId,
        cause: document.cause,
      });
      await appender.append([{ topic: TOPICS.communications, shard: shardOfDecision(decisionIdFromBytes(communicationId)), value }]);
    }
  };

  return {
    ...TMF681,
    tag: 'communicationMessage',
    schemas: { resource: CommunicationMessage, create: CommunicationMessageCreate, update: CommunicationMessageUpdate },
    scopes: { read: 'read', write: 'decide' },

    async page(slice) {
      const { messages: found, total } = await messages.page(slice);
      const resources = await Promise.all(found.map((message) => groups.resourceOf(message)));
      return { resources: resources.filter((resource) => resource !== null), total };
    },
    async *scan(filter) {
      for await (const message of candidates(messages, filter, deps.subjects)) {
        const resource = await groups.resourceOf(message);
        if (resource !== null) yield resource;
      }
    },
    read: async (id) => (await find(id))?.resource ?? null,
    async create(body) {
      const message = checkMessage(withoutOurs(body));
      const created = (await find(await request(message)))!;
      await publish('Create', created.resource, created.message);
      return created.resource;
    },
    async update(id, patch) {
      const before = await find(id);
      if (before === null) return null;
      const wanted = checkAttributes(patch);
      if (wanted['state'] === 'cancelled') await cancel(before.message);
      const attributes = withoutOurs(wanted);
      if (Object.keys(attributes).length > 0) await messages.change(id, (message) => patched(message, attributes, deps));
      const after = await find(id);
      if (after === null) return null;
      if (JSON.stringify(after.resource) !== JSON.stringify(before.resource))
        await publish('AttributeValueChange', after.resource, after.message);
      return after.resource;
    },
    async remove(id) {
      for (;;) {
        const found = await find(id);
        if (found === null) return false;
        await cancel(found.message);
        const message = await messages.find(id);
        if (message === null) return false;
        const members = message.part?.kind === 'group' ? await groups.membersOf(message) : [];
        if (!(await messages.hide(message, bare(message.document)))) continue;
        for (const member of members)
          await messages.change(member.document.communicationId, ({ document }) => ({
            document: bare(document),
            part: { kind: 'deleted' },
          }));
        await publish('Delete', found.resource, found.message);
        return true;
      }
    },
  };
};

const stepTo = (
  document: CommunicationDocument,
  state: CommunicationDocument['state'],
  reasonCode: string | null,
  at: number,
): CommunicationDocument => ({ ...document, state, reasonCode, history: [...document.history, { state, at, reasonCode }] });

/** Not on its way to the customer yet. */
const isOpen = ({ state }: CommunicationDocument): boolean => state === 'requested' || state === 'deferred' || state === 'queued';

/** Of a deleted message nothing personal is kept, but what deliver has to know of one under way. */
const bare = (document: CommunicationDocument): CommunicationDocument => ({ ...document, customerId: null, address: null, content: null });

/** What only Attune says of a message. */
const OURS = new Set(['id', 'href', 'state', 'stateReason', 'sendTime', 'sendTimeComplete']);
const withoutOurs = (body: TmfBody): TmfBody => Object.fromEntries(Object.entries(body).filter(([name]) => !OURS.has(name)));

/** A text that has not left is changed on its way; afterwards only what is shown of it. */
const patched = (
  { document, part }: StoredMessage,
  attributes: TmfBody,
  { catalog }: Pick<CommunicationFaceDeps, 'catalog'>,
): { document: CommunicationDocument; part: StoredMessage['part'] } => {
  if (part?.kind !== 'whole' && part?.kind !== 'group')
    throw fieldFault('body', 'is of a message that was not posted here; it cannot be changed');
  if (part.kind === 'group' && attributes['receiver'] !== undefined)
    throw fieldFault('receiver', 'cannot be changed: the message is under way to each of them');
  const message = mergePatch(part.message, attributes) as TmfBody;
  if (
    document.state === 'deferred' &&
    document.reasonCode === SCHEDULED &&
    message['scheduledSendTime'] !== part.message['scheduledSendTime']
  )
    throw fieldFault('scheduledSendTime', 'cannot be changed once it is taken; cancel this message and post another');
  for (const name of ['content', 'messageType', 'sender']) if (message[name] === undefined) throw fieldFault(name, 'cannot be taken away');
  const escape = catalog.current().catalog.channels.get(document.channel)?.escape ?? 'text';
  const content = part.kind === 'whole' && isOpen(document) ? fillContent(message, escape) : document.content;
  return { document: { ...document, content }, part: { ...part, message } };
};

/** The few that an id or a receiver's id can mean, else all. */
const candidates = async function* (
  messages: MessageStore,
  filter: Filter,
  subjects: ServingContext['subjects'],
): AsyncIterable<StoredMessage> {
  const ids = valuesNamed(filter, 'id');
  if (ids !== null) {
    for (const id of new Set(ids)) {
      const message = await messages.find(id);
      if (message !== null) yield message;
    }
    return;
  }
  const receivers = valuesNamed(filter, 'receiver.id');
  if (receivers === null) return yield* messages.all();
  const seen = new Set<string>();
  for (const receiver of new Set(receivers.filter((id) => id.trim() !== ''))) {
    for await (const message of messages.ofCustomer(subjects.find('customer', receiver).keyBytes)) {
      const id = message.part?.kind === 'member' ? message.part.group : message.document.communicationId;
      if (seen.has(id)) continue;
      seen.add(id);
      const whole = message.part?.kind === 'member' ? await messages.find(id) : message;
      if (whole !== null) yield whole;
    }
  }
};
