/** Who wants to be told of what: subscriptions as documents of kind `hub`. */
import type { Documents } from '#feature-store';
import { parseQuery } from '../query/parse-query.ts';

export const HUB_KIND = 'hub';

export interface Subscription {
  readonly id: string;
  /** Of the API that it is about: `/tmf-api/communicationManagement/v4`. */
  readonly api: string;
  readonly callback: string;
  /** A filter over the notification, and `fields` of the resource; null: everything. */
  readonly query: string | null;
}

type Body = Pick<Subscription, 'api' | 'callback' | 'query'>;

/** More than anyone has; a fault would else be told to the world at once. */
export const MOST_SUBSCRIPTIONS = 1_000;

export interface Subscriptions {
  add(subscription: Subscription, nowMs: number): Promise<void>;
  /** Null: there is none of this API. */
  find(api: string, id: string): Promise<Subscription | null>;
  list(api: string): Promise<readonly Subscription[]>;
  /** False: there was none. */
  remove(api: string, id: string): Promise<boolean>;
}

export const createSubscriptions = (documents: Documents): Subscriptions => ({
  async add({ id, api, callback, query }, nowMs) {
    const body = Buffer.from(JSON.stringify({ api, callback, query } satisfies Body));
    await documents.put(HUB_KIND, { id, customerKey: null, state: 'active', atMs: nowMs, dueMs: null, body }, null);
  },
  async find(api, id) {
    const stored = await documents.get(HUB_KIND, id);
    const subscription = stored === null ? null : read(stored.id, stored.body);
    return subscription?.api === api ? subscription : null;
  },
  async list(api) {
    const { documents: stored } = await documents.list(HUB_KIND, { limit: MOST_SUBSCRIPTIONS });
    return stored.map(({ id, body }) => read(id, body)).filter((subscription) => subscription.api === api);
  },
  async remove(api, id) {
    for (;;) {
      const stored = await documents.get(HUB_KIND, id);
      if (stored === null || read(id, stored.body).api !== api) return false;
      if (await documents.remove(HUB_KIND, id, stored.version)) return true;
    }
  },
});

const read = (id: string, body: Buffer): Subscription => ({ id, ...(JSON.parse(body.toString()) as Body) });

/** Throws a 400 where the query cannot be read. */
export const parseSubscriptionQuery = (query: string | null): ReturnType<typeof parseQuery> => parseQuery((query ?? '').replace(/^\?/, ''));
