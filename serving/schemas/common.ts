/** Schemas that several routes share; validation, serialisation, OpenAPI and types all come from here. */
import { Type } from 'typebox';

export const closed = { additionalProperties: false } as const;

/** Text that names something: visible, bounded. */
export const Name = (description: string, maxLength = 200) => Type.String({ minLength: 1, maxLength, pattern: '\\S', description });

export const Scalar = Type.Union([Type.String({ maxLength: 1_000 }), Type.Number(), Type.Boolean()], {
  description: 'a text, a number or true/false',
});

/** Flat, bounded, of scalars. */
export const Flat = (description: string, maxProperties = 100) =>
  Type.Record(Type.String({ maxLength: 100 }), Scalar, { maxProperties, description });

export const FieldError = Type.Object(
  {
    field: Type.String({ description: 'where, as a path into the body, query or header; empty for the whole' }),
    message: Type.String({ description: 'what is wrong, for a person' }),
  },
  closed,
);

/** RFC 9457. */
export const Problem = Type.Object(
  {
    type: Type.String({ description: 'a stable name of the kind of problem' }),
    title: Type.String({ description: 'the kind, for a person' }),
    status: Type.Integer(),
    detail: Type.String({ description: 'what happened and what to do' }),
    errors: Type.Array(FieldError),
  },
  { ...closed, description: 'RFC 9457 problem details' },
);

export const DecisionIdText = Type.String({ maxLength: 200, description: 'a decision id, as answered by POST /v1/decisions' });

/** The answers that any route may give. */
export const problems = {
  '4xx': {
    description: 'The request is at fault; `errors` names the fields.',
    content: { 'application/problem+json': { schema: Problem } },
  },
  503: {
    description: 'Nothing durable can be promised now; the same request may be sent again.',
    content: { 'application/problem+json': { schema: Problem } },
  },
} as const;
