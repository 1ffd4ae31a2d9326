/** A message's state in TM Forum's words. */
import type { CommunicationDocumentState } from '#contracts';
import type { ChannelDefinition } from '#project';

export const MESSAGE_STATES = ['initial', 'inProgress', 'completed', 'cancelled', 'failed'] as const;
export type MessageState = (typeof MESSAGE_STATES)[number];

/** @param confirms whether the channel tells of delivery later: else `sent` is its last word */
export const messageStateOf = (state: CommunicationDocumentState, confirms: boolean): MessageState => {
  switch (state) {
    case 'requested':
    case 'deferred':
      return 'initial';
    case 'queued':
      return 'inProgress';
    case 'sent':
      return confirms ? 'inProgress' : 'completed';
    case 'delivered':
    case 'matured':
      return 'completed';
    case 'cancelled':
      return 'cancelled';
    case 'failed':
    case 'bounced':
    case 'expired':
    case 'denied':
    case 'heldOut':
      return 'failed';
  }
};

/** Of a message to several receivers: done when all are; completed when it reached any. */
export const stateOfAll = (states: readonly MessageState[]): MessageState => {
  const has = (state: MessageState): boolean => states.includes(state);
  if (states.length === 0) return 'failed';
  if (has('inProgress')) return 'inProgress';
  if (has('initial')) return has('completed') ? 'inProgress' : 'initial';
  if (has('completed')) return 'completed';
  return has('failed') ? 'failed' : 'cancelled';
};

export const confirmsDelivery = (channel: ChannelDefinition | undefined): boolean => {
  if (channel === undefined) return false;
  const { settings } = channel;
  switch (settings.adapter) {
    case 'smpp':
      return settings.receipts;
    case 'webhook':
      return settings.confirms;
    case 'http':
    case 'smtp':
      return settings.receipt !== null;
    case 'file':
      return true;
  }
};
