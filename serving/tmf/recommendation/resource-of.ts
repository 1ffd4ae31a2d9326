/** A decision as TMF680 shows it. */
import type { Catalog, CatalogAction } from '#decisioning';
import type { ActionAnswer, DecisionAnswer } from '../../schemas/decisions.ts';
import { hrefOf } from '../resource-routes.ts';
import type { TmfBody, TmfResource } from '../resource.ts';

export const TMF680 = Object.freeze({ base: '/tmf-api/recommendationManagement/v4', name: 'queryProductRecommendation' });

/** What only Attune says. */
const OURS = new Set(['id', 'href', 'state', 'validFor', 'recommendationItem']);

export const resourceOf = (body: TmfBody, answer: DecisionAnswer, catalog: Catalog): TmfResource => ({
  '@type': 'QueryProductRecommendation',
  ...Object.fromEntries(Object.entries(body).filter(([name]) => !OURS.has(name))),
  id: answer.decisionId,
  href: hrefOf(TMF680, answer.decisionId),
  state: 'done',
  validFor: { startDateTime: answer.decidedAt },
  recommendationItem: answer.actions.map((action) => itemOf(action, catalog)),
});

/** The specification knows products; an action that sells none is a product by its attributes, and says by `@type` what it is. */
const itemOf = (chosen: ActionAnswer, catalog: Catalog): object => {
  const action = catalog.actions[catalog.indexOf.get(chosen.actionId)!]!;
  const isOffer = catalog.marketingGroups.includes(action.group);
  const productOffering = { id: action.id, name: action.name, '@referredType': 'ProductOffering' };
  return {
    id: action.id,
    priority: chosen.rank,
    product: {
      id: action.id,
      name: action.name,
      ...(action.description === '' ? {} : { description: action.description }),
      '@type': isOffer ? 'Product' : 'RecommendedAction',
      ...(isOffer ? { productOffering } : { '@baseType': 'Product' }),
      productCharacteristic: characteristicsOf(action, chosen),
    },
    ...(isOffer ? { productOffering } : {}),
    '@type': 'RecommendationItem',
  };
};

const characteristicsOf = ({ group, topic }: CatalogAction, { treatmentId, flowId, content }: ActionAnswer): readonly object[] =>
  Object.entries({ group, topic, treatmentId, ...(flowId === null ? {} : { flowId }), ...content }).map(([name, value]) => ({
    name,
    value,
    valueType: typeof value,
  }));
