/** What we sent to the customer of late and why, for whoever answers him now. */
import { DEGRADED } from '#decisioning';
import type { CustomerStateView, RecentMessage } from '#feature-store';
import type { CompiledProject } from '../holders/catalog-holder.ts';
import type { RecentMessageAnswer } from '../schemas/decisions.ts';

export interface RecentMessagesInput {
  readonly view: Pick<CustomerStateView, 'recentMessages'>;
  readonly compiled: Pick<CompiledProject, 'catalog' | 'causes'>;
  readonly nowMs: number;
  readonly degraded: readonly string[];
}

/** Null: the customer's state was not read, and what was sent is not known. */
export const recentMessagesOf = ({ view, compiled, nowMs, degraded }: RecentMessagesInput): readonly RecentMessageAnswer[] | null => {
  if (degraded.includes(DEGRADED.stateUnread)) return null;
  const { recentMessages } = view;
  return recentMessages.length === 0
    ? NONE
    : recentMessages.filter(({ endMs }) => endMs > nowMs).map((message) => answerOf(message, compiled));
};

const NONE: readonly RecentMessageAnswer[] = Object.freeze([]);

const answerOf = (message: RecentMessage, { catalog, causes }: RecentMessagesInput['compiled']): RecentMessageAnswer => {
  const { decisionId, actionId, treatmentId, channel, cause, state, reasonCode, atMs } = message;
  const place = catalog.indexOf.get(actionId);
  const described = causes.get(cause);
  return {
    decisionId,
    actionId,
    actionName: place === undefined ? null : catalog.actions[place]!.name,
    treatmentId,
    channel,
    at: new Date(atMs).toISOString(),
    state: state as RecentMessageAnswer['state'],
    stateReason: reasonCode,
    why: { cause, description: described?.description || null, reason: described?.reason ?? null },
  };
};
