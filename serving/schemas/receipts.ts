/** What the API shows of a receipt, an explanation, a replay, a customer and a model. */
import { Type } from 'typebox';

const open = { additionalProperties: true } as const;

export const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 200, description: 'a decision id' }) });
export const CustomerParams = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 200, pattern: '\\S', description: "the operator's id" }),
});
export const CustomerQuery = Type.Object(
  { kind: Type.Optional(Type.Union([Type.Literal('customer'), Type.Literal('anonymous')], { default: 'customer' })) },
  { additionalProperties: false },
);
export const VersionParams = Type.Object({ version: Type.String({ minLength: 1, maxLength: 200 }) });
export const LoopQuery = Type.Object(
  {
    loop: Type.Optional(
      Type.String({ maxLength: 60, default: '', description: "of the caller's own candidates; empty for the catalog's" }),
    ),
  },
  { additionalProperties: false },
);

export const ReceiptAnswer = Type.Object({ decisionId: Type.String() }, { ...open, description: 'the decision with all its inputs' });
export const ExplanationAnswer = Type.Object(
  { decisionId: Type.String() },
  { ...open, description: 'the decision in words, every candidate with its stage' },
);
export const ReplayAnswer = Type.Object(
  {
    decisionId: Type.String(),
    identical: Type.Boolean({ description: 're-deciding from the recorded scores gives the same choice and probabilities, bit by bit' }),
    differences: Type.Array(Type.String()),
    actions: Type.Array(Type.Object({}, open)),
    rescored: Type.Union(
      [
        Type.Object({
          largestDifference: Type.Number(),
          agrees: Type.Boolean({ description: 'within 1e-5' }),
          modelVersion: Type.String(),
          modelSnapshot: Type.Integer(),
        }),
        Type.Null(),
      ],
      { description: 'null when the snapshot that scored is no longer kept' },
    ),
  },
  { additionalProperties: false },
);
export const CustomerAnswer = Type.Object(
  { customerId: Type.String() },
  { ...open, description: 'what decisions may see of the customer now' },
);
export const ErasureAnswer = Type.Object({ erasedAt: Type.String() }, { additionalProperties: false });
const Latency = Type.Object({ p50: Type.Number(), p99: Type.Number() }, { description: 'microseconds of deciding alone' });
const ShadowAnswer = Type.Object({
  decisions: Type.Integer({ description: 'decided again after the answer had left' }),
  agreement: Type.Number({ description: 'share in which its best action was the champion’s' }),
  latencyUs: Latency,
  championLatencyUs: Latency,
  failures: Type.Integer(),
});
export const ModelAnswer = Type.Object({
  loop: Type.String(),
  version: Type.String(),
  snapshot: Type.Integer(),
  role: Type.String(),
  serving: Type.Boolean(),
  pinned: Type.Boolean(),
  publishedAt: Type.String(),
  watermark: Type.String({ description: 'append time of the newest reward that it has learned' }),
  experiences: Type.Number(),
  note: Type.String(),
  share: Type.Number({ description: 'of the customers, whom this challenger serves; see PUT /v1/controls' }),
  shadow: Type.Union([ShadowAnswer, Type.Null()], {
    description: 'what a challenger would have done, as measured by the process that answers; null where it was not tried',
  }),
});
export const ModelsAnswer = Type.Object({ models: Type.Array(ModelAnswer) });
const PromotionReport = Type.Object(
  {
    promotes: Type.Boolean({ description: 'all conditions hold' }),
    conditions: Type.Array(
      Type.Object({
        name: Type.String(),
        holds: Type.Boolean(),
        found: Type.String({ description: 'what was found and what is asked' }),
      }),
    ),
    figures: Type.Record(Type.String(), Type.Number()),
  },
  { description: 'the judgement by the logged decisions' },
);
export const PromotionAnswer = Type.Object({
  models: Type.Array(ModelAnswer),
  report: Type.Union([PromotionReport, Type.Null()], { description: 'null: it serves already, or without proof' }),
});
