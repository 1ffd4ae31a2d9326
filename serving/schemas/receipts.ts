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
});
export const ModelsAnswer = Type.Object({ models: Type.Array(ModelAnswer) });
