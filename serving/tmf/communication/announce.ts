/** What the log says of a message becomes an event of TMF681, for whoever subscribes. */
import type { Communication, CommunicationDocument } from '#contracts';
import { decisionIdFromBytes } from '#contracts';
import type { Documents } from '#feature-store';
import type { Channels } from '#project';
import { createPublisher } from '../hub/publish.ts';
import { createSubscriptions } from '../hub/subscriptions.ts';
import { createGroups } from './groups.ts';
import { createMessageStore, type StoredMessage } from './message-store.ts';
import { TMF681, resourceOf } from './resource-of.ts';
import { confirmsDelivery, messageStateOf, stateOfAll, type MessageState } from './states.ts';

/**
 * Steps that change nothing in TM Forum's words are passed over. Nothing is told of what was deleted. The step itself says the state: the
 * document may follow later.
 * @param channels of the catalog in force
 */
export const createCommunicationAnnouncer = (documents: Documents, channels: () => Channels): ((step: Communication) => Promise<void>) => {
  const messages = createMessageStore(documents);
  const subscriptions = createSubscriptions(documents);
  const publisher = createPublisher(documents, subscriptions, TMF681);
  const groups = createGroups(messages, channels);

  const tell = async (
    step: Communication,
    message: StoredMessage,
    members: readonly StoredMessage[],
    state: MessageState,
  ): Promise<void> => {
    const resource = resourceOf(message, members, channels());
    if (resource === null) return;
    const isNew = message.part === null && step.state === 'queued';
    await publisher.publish({
      eventId: `${resource.id}-${state}`,
      atMs: step.at,
      type: isNew ? 'CommunicationMessageCreateEvent' : 'CommunicationMessageStateChangeEvent',
      resource: { ...resource, state },
      customerKey: message.stored.customerKey,
    });
  };

  /** The group keeps what it has heard of each member, so that it is told once when all of them together are somewhere else. */
  const tellGroup = async (step: Communication, member: StoredMessage, id: string, state: MessageState): Promise<void> => {
    const group = await messages.find(id);
    if (group?.part?.kind !== 'group') return;
    const { part } = group;
    const seen = { ...part.seen, [member.document.communicationId]: state };
    const all = (of: typeof seen): MessageState => stateOfAll(part.members.map((one) => of[one] ?? 'initial'));
    // Told before it is kept: after a crash in between it is told again, under the same id.
    if (all(seen) !== all(part.seen)) await tell(step, group, await groups.membersOf(group), all(seen));
    await messages.change(id, ({ document, part }) =>
      part?.kind === 'group' ? { document, part: { ...part, seen: { ...part.seen, [member.document.communicationId]: state } } } : null,
    );
  };

  return async (step) => {
    const confirms = confirmsDelivery(channels().channels.get(step.channel));
    const state = messageStateOf(step.state, confirms);
    // A trial that closes and a second look at the gate are nothing to the outside; `sent` on the way to `delivered` is no new state.
    if (step.state === 'matured' || step.state === 'deferred' || (step.state === 'sent' && confirms)) return;
    if ((await subscriptions.list(TMF681.base)).length === 0 && step.cause !== 'tmf681') return;
    const message = (await messages.find(step.communicationId.toString('hex'))) ?? ofStep(step);
    if (message.part?.kind === 'member') await tellGroup(step, message, message.part.group, state);
    else await tell(step, message, [], state);
  };
};

/** Deliver may not have written the document yet. */
const ofStep = (step: Communication): StoredMessage => {
  const id = step.communicationId.toString('hex');
  const document: CommunicationDocument = {
    communicationId: id,
    decisionId: step.decisionId === null ? null : decisionIdFromBytes(step.decisionId),
    customerId: null,
    customerKey: step.customerKey.toString('hex'),
    channel: step.channel,
    actionId: step.actionId,
    treatmentId: step.treatmentId,
    cause: step.cause,
    state: step.state,
    reasonCode: step.reasonCode,
    address: step.address,
    content: step.content === null ? null : (JSON.parse(step.content) as Record<string, string>),
    language: step.language,
    expiresAt: step.expiresAt,
    attempts: step.attempt,
    providerId: step.providerId,
    doubtful: step.doubtful,
    history: [{ state: step.state, at: step.at, reasonCode: step.reasonCode }],
    tmf: null,
  };
  const stored = { id, customerKey: step.customerKey, state: step.state, atMs: step.at, dueMs: null, body: Buffer.alloc(0), version: 0 };
  return { document, part: null, stored };
};
