/** CloudEvents 1.0 in JSON, one or a batch. */
import { Type, type Static } from 'typebox';
import { Name } from './common.ts';

export const MAX_BATCH = 1_000;

/** Extension attributes are allowed, as the specification wants: lower-case letters and digits, scalars (CloudEvents 1.0.2, section 3.1). */
export const CloudEvent = Type.Object(
  {
    specversion: Type.Literal('1.0'),
    id: Name('with source it identifies the event: sent twice, it counts once'),
    source: Name('who sends it', 500),
    type: Name('names the event, as events.yaml does'),
    subject: Name("the customer's id"),
    subjectkind: Type.Optional(
      Type.Union([Type.Literal('customer'), Type.Literal('anonymous')], { default: 'customer', description: 'what the subject is' }),
    ),
    time: Type.Optional(Type.String({ format: 'date-time', maxLength: 40, description: 'RFC 3339; now when absent' })),
    datacontenttype: Type.Optional(Type.String({ pattern: '^application/([a-z0-9.+-]*\\+)?json', maxLength: 100 })),
    dataschema: Type.Optional(Type.String({ maxLength: 500 })),
    data: Type.Optional(
      Type.Unsafe<Readonly<Record<string, unknown>>>({
        type: 'object',
        additionalProperties: true,
        description: 'the payload; its schema is in events.yaml',
      }),
    ),
  },
  {
    patternProperties: { '^(?!data$)[a-z0-9]{1,20}$': { type: ['string', 'number', 'boolean'], maxLength: 1_000 } },
    additionalProperties: false,
    examples: [
      {
        specversion: '1.0',
        id: 'e-1',
        source: '/billing',
        type: 'bill.issued',
        subject: 'c-1001',
        data: { amount: 61.4, overage: 12, dueInDays: 14 },
      },
    ],
  },
);
export type CloudEvent = Static<typeof CloudEvent>;

/** One event is taken as a batch of one. */
export const EventsBatch = Type.Array(CloudEvent, { minItems: 1, maxItems: MAX_BATCH });
export const EventsAnswer = Type.Object({ accepted: Type.Integer() }, { additionalProperties: false });
