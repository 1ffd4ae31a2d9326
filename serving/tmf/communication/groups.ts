/** Messages to several receivers: one resource, whose members are the messages to each. */
import type { Channels } from '#project';
import type { TmfResource } from '../resource.ts';
import type { MessageStore, StoredMessage } from './message-store.ts';
import { resourceOf } from './resource-of.ts';

export interface Groups {
  /** Those that are still there, in the order of the receivers; none of what is no group. */
  membersOf(message: StoredMessage): Promise<readonly StoredMessage[]>;
  /** Null of what is no resource. */
  resourceOf(message: StoredMessage): Promise<TmfResource | null>;
}

export const createGroups = (messages: Pick<MessageStore, 'find'>, channels: () => Channels): Groups => {
  const membersOf = async ({ part }: StoredMessage): Promise<readonly StoredMessage[]> => {
    if (part?.kind !== 'group') return [];
    const members = await Promise.all(part.members.map((id) => messages.find(id)));
    return members.filter((member) => member?.part?.kind === 'member').map((member) => member!);
  };
  return { membersOf, resourceOf: async (message) => resourceOf(message, await membersOf(message), channels()) };
};
