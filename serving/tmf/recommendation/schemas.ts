/** TMF680's queryProductRecommendation for the OpenAPI document. */
import { Type } from 'typebox';

const open = { additionalProperties: true } as const;
const text = (description: string) => Type.Optional(Type.String({ description }));

const Reference = Type.Object({ id: Type.String(), name: text('of what is meant') }, open);
const references = (description: string) => Type.Optional(Type.Array(Reference, { description }));

const attributes = {
  name: text('of the query'),
  description: text('of the query'),
  recommendationType: text('a group or topic of the catalog narrows the query to it; another is kept and shown'),
  instantSyncRecommendation: Type.Optional(Type.Boolean({ description: 'the answer is always there at once' })),
  category: references('topics or groups of the catalog narrow the query to them; others are kept and shown'),
  channel: references('a channel of the catalog; default its first on which customers come to us'),
  relatedParty: Type.Optional(
    Type.Union([Reference, Type.Array(Reference)], { description: 'the customer, by role or as the first; none: an anonymous query' }),
  ),
  place: Type.Optional(Type.Object({}, open)),
  productOrder: references('kept and shown'),
  productOrderItem: references('kept and shown'),
  shoppingCart: references('kept and shown'),
  shoppingCartItem: references('kept and shown'),
  '@type': text('QueryProductRecommendation'),
  '@baseType': text('of a sub-class'),
  '@schemaLocation': text('of a sub-class'),
};

export const QueryProductRecommendationCreate = Type.Object(attributes, open);

const Item = Type.Object(
  {
    id: Type.String({ description: 'the action' }),
    priority: Type.Integer({ description: 'the rank; 1 is the best' }),
    product: Type.Object(
      {
        id: Type.String(),
        name: Type.String(),
        '@type': Type.String({ description: 'Product, or RecommendedAction for what sells nothing' }),
        productCharacteristic: Type.Array(Type.Object({ name: Type.String(), value: Type.Unknown(), valueType: Type.String() }, open), {
          description: 'group, topic, treatmentId, flowId and the texts for this channel',
        }),
        productOffering: Type.Optional(Reference),
      },
      open,
    ),
    productOffering: Type.Optional(Reference),
  },
  open,
);

export const QueryProductRecommendation = Type.Object(
  {
    ...attributes,
    id: Type.String({ description: 'the decision: name it in POST /v1/outcomes' }),
    href: Type.String(),
    state: Type.Literal('done'),
    validFor: Type.Object({ startDateTime: Type.String({ format: 'date-time' }) }),
    recommendationItem: Type.Array(Item, { description: 'may be empty: doing nothing is a decision' }),
  },
  open,
);
