/** Recommendation queries as documents: what was asked and what was recommended, for a month. */
import { DAY_MS } from '#contracts';
import type { Documents, StoredDocument } from '#feature-store';
import { newestFirst } from '../newest-first.ts';
import type { TmfResource } from '../resource.ts';

export const RECOMMENDATION_KIND = 'recommendation';

const KEPT_MS = 30 * DAY_MS;
/** More than one, so that a pile shrinks. */
const SWEPT_WITH_EACH = 2;

export interface RecommendationStore {
  /** Null: there is none, or it is over a month old. */
  find(id: string): Promise<TmfResource | null>;
  /** Durable when resolved. @param customerKey 16 bytes */
  add(resource: TmfResource, customerKey: Buffer, atMs: number): Promise<void>;
  remove(id: string): Promise<void>;
  /** Newest first. */
  page(slice: {
    readonly offset: number;
    readonly limit: number;
  }): Promise<{ readonly resources: readonly TmfResource[]; readonly total: number }>;
  all(): AsyncIterable<TmfResource>;
  ofCustomer(customerKey: Buffer): AsyncIterable<TmfResource>;
}

export const createRecommendationStore = (documents: Documents): RecommendationStore => {
  const resources = async function* (query: { customerKey?: Buffer }): AsyncIterable<TmfResource> {
    for await (const stored of newestFirst(documents, RECOMMENDATION_KIND, query)) yield read(stored);
  };
  const sweep = async (nowMs: number): Promise<void> => {
    for (const { id, version } of await documents.due(RECOMMENDATION_KIND, nowMs, SWEPT_WITH_EACH))
      await documents.remove(RECOMMENDATION_KIND, id, version);
  };
  return {
    async find(id) {
      // What cannot be an id of ours is not asked for.
      const stored = /^[0-9a-f-]{36}$/.test(id) ? await documents.get(RECOMMENDATION_KIND, id) : null;
      return stored === null ? null : read(stored);
    },
    async add(resource, customerKey, atMs) {
      await sweep(atMs);
      const body = Buffer.from(JSON.stringify(resource));
      await documents.put(RECOMMENDATION_KIND, { id: resource.id, customerKey, state: 'done', atMs, dueMs: atMs + KEPT_MS, body }, null);
    },
    async remove(id) {
      const stored = await documents.get(RECOMMENDATION_KIND, id);
      if (stored !== null) await documents.remove(RECOMMENDATION_KIND, id, stored.version);
    },
    async page({ offset, limit }) {
      const found = await documents.list(RECOMMENDATION_KIND, { newestFirst: true, offset, limit: Math.max(1, limit) });
      return { resources: limit === 0 ? [] : found.documents.map(read), total: found.total };
    },
    all: () => resources({}),
    ofCustomer: (customerKey) => resources({ customerKey }),
  };
};

const read = ({ body }: StoredDocument): TmfResource => JSON.parse(body.toString()) as TmfResource;
