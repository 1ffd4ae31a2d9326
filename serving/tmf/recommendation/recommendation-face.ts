/** TMF680's queryProductRecommendation: a decision, by the decider of POST /v1/decisions. Outcomes are told by its id to POST /v1/outcomes. */
import type { ServingContext } from '../../context.ts';
import { answerOf } from '../../deciding/answer.ts';
import type { Made } from '../../deciding/decider.ts';
import { valuesNamed } from '../query/filter.ts';
import type { Publisher } from '../hub/publish.ts';
import type { TmfFace, TmfResource } from '../resource.ts';
import { askedOf } from './asked-of.ts';
import type { RecommendationStore } from './recommendation-store.ts';
import { TMF680, resourceOf } from './resource-of.ts';
import { QueryProductRecommendation, QueryProductRecommendationCreate } from './schemas.ts';

export type RecommendationFaceDeps = Pick<ServingContext, 'catalog' | 'decider' | 'subjects'> & {
  readonly recommendations: RecommendationStore;
  readonly publisher: Publisher;
};

const TMF680_CAUSE = 'tmf680';

export const createRecommendationFace = ({ catalog, decider, subjects, recommendations, publisher }: RecommendationFaceDeps): TmfFace => ({
  ...TMF680,
  tag: 'queryProductRecommendation',
  schemas: { resource: QueryProductRecommendation, create: QueryProductRecommendationCreate },
  scopes: { read: 'read', write: 'decide' },

  page: (slice) => recommendations.page(slice),
  async *scan(filter) {
    const ids = valuesNamed(filter, 'id');
    if (ids !== null) {
      for (const id of new Set(ids)) {
        const resource = await recommendations.find(id);
        if (resource !== null) yield resource;
      }
      return;
    }
    const parties = valuesNamed(filter, 'relatedParty.id');
    if (parties === null) return yield* recommendations.all();
    for (const party of new Set(parties.filter((id) => id.trim() !== '')))
      yield* recommendations.ofCustomer(subjects.find('customer', party).keyBytes);
  },
  read: (id) => recommendations.find(id),
  async create(body) {
    const compiled = catalog.current();
    const request = askedOf(body, compiled.catalog);
    let kept: { readonly resource: TmfResource; readonly customerKey: Buffer; readonly atMs: number } | null = null;
    // Before the decision is durable, so that one that is durable can be read here.
    const keep = async ({ decision, view }: Made): Promise<void> => {
      const answer = answerOf({ decision, compiled, view, context: {}, explained: false });
      kept = { resource: resourceOf(body, answer, compiled.catalog), customerKey: decision.customerKey, atMs: decision.decidedAt };
      await recommendations.add(kept.resource, kept.customerKey, kept.atMs);
    };
    try {
      await decider.decideFor(request, { cause: TMF680_CAUSE, beforeAppend: keep });
    } catch (error) {
      if (kept !== null) await recommendations.remove((kept as { resource: TmfResource }).resource.id).catch(() => undefined);
      throw error;
    }
    const { resource, customerKey, atMs } = kept!;
    for (const type of ['Create', 'StateChange'])
      await publisher.publish({
        eventId: `${resource.id}-${type}`,
        atMs,
        type: `QueryProductRecommendation${type}Event`,
        resource,
        customerKey,
      });
    return resource;
  },
});
