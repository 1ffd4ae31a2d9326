/** Schemas that all TM Forum faces show in the OpenAPI document; their bodies are checked by the faces, liberally. */
import { Type } from 'typebox';

const open = { additionalProperties: true } as const;

const fields = Type.Optional(Type.String({ description: 'attributes to show, by comma; id and href always; `none`: only they' }));

export const ReadQuery = Type.Object({ fields }, open);

export const ListQuery = Type.Object(
  {
    fields,
    offset: Type.Optional(Type.Integer({ minimum: 0, description: 'of the first one shown' })),
    limit: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000, description: 'at most so many' })),
    sort: Type.Optional(Type.String({ description: 'attributes by comma; `-` before one: descending' })),
  },
  open,
);

const TmfErrorSchema = Type.Object(
  {
    code: Type.String({ description: 'a stable name of the kind of error' }),
    reason: Type.String({ description: 'the kind, for a person' }),
    message: Type.String({ description: 'what happened and what to do' }),
    status: Type.String({ description: 'of HTTP' }),
    '@type': Type.Literal('Error'),
  },
  open,
);

export const tmfProblems = {
  '4xx': { description: 'The request is at fault.', content: { 'application/json': { schema: TmfErrorSchema } } },
  503: { description: 'Nothing durable can be promised now.', content: { 'application/json': { schema: TmfErrorSchema } } },
} as const;
