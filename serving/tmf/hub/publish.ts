/** Turns an event into one notification for each subscription that wants it, to be sent by the pipeline's role `notify`. */
import type { Documents } from '#feature-store';
import { matches } from '../query/filter.ts';
import { project } from '../query/project.ts';
import type { TmfResource } from '../resource.ts';
import { parseSubscriptionQuery, type Subscription, type Subscriptions } from './subscriptions.ts';

export const NOTIFICATION_KIND = 'notification';

export interface TmfEvent {
  /** The same whenever the same event is told again. */
  readonly eventId: string;
  readonly atMs: number;
  /** `CommunicationMessageStateChangeEvent` */
  readonly type: string;
  readonly resource: TmfResource;
  /** 16 bytes, of the customer whom it is about, for erasure; null: of nobody. */
  readonly customerKey: Buffer | null;
}

/** What a callback is sent, as TM Forum's APIs of version 4 have it. */
interface Notification {
  readonly eventId: string;
  readonly eventTime: string;
  readonly eventType: string;
  readonly event: Readonly<Record<string, object>>;
}

export interface Publisher {
  /** Durable when resolved. The same event again adds nothing while it is on its way. */
  publish(event: TmfEvent): Promise<void>;
}

/** @param face the API's base path and its resource's name */
export const createPublisher = (
  documents: Documents,
  subscriptions: Subscriptions,
  { base, name }: { readonly base: string; readonly name: string },
): Publisher => {
  const notificationFor = (event: TmfEvent, { id, callback, query }: Subscription): Parameters<Documents['put']>[1] | null => {
    const { filter, fields } = parseSubscriptionQuery(query);
    const notification = notificationOf(event, name, event.resource);
    // Some name the attributes of the resource without the way to it.
    if (!matches({ ...event.resource, ...notification }, filter)) return null;
    const payload = fields === null ? notification : notificationOf(event, name, project(event.resource, fields));
    return {
      id: `${event.eventId}.${id}`,
      customerKey: event.customerKey,
      state: 'waiting',
      atMs: event.atMs,
      dueMs: event.atMs,
      body: Buffer.from(JSON.stringify({ subscriptionId: id, callback, attempts: 0, payload })),
    };
  };
  return {
    async publish(event) {
      for (const subscription of await subscriptions.list(base)) {
        const notification = notificationFor(event, subscription);
        if (notification !== null) await documents.put(NOTIFICATION_KIND, notification, null);
      }
    },
  };
};

const notificationOf = ({ eventId, atMs, type }: TmfEvent, name: string, resource: object): Notification => ({
  eventId,
  eventTime: new Date(atMs).toISOString(),
  eventType: type,
  event: { [name]: resource },
});
