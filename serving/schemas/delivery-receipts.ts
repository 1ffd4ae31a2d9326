/** What became of a message, as the channel's peer tells it. */
import { Type, type Static } from 'typebox';
import { closed } from './common.ts';

const State = Type.Union([Type.Literal('delivered'), Type.Literal('failed'), Type.Literal('bounced'), Type.Literal('expired')]);

/** For the OpenAPI document: a gateway's own form and a mail are read as they come. */
export const WebhookReceipt = Type.Object(
  {
    type: Type.Optional(Type.String({ examples: ['message.receipt'] })),
    data: Type.Object({
      communicationId: Type.Optional(Type.String({ description: 'of the message, as it was sent; or providerId' })),
      providerId: Type.Optional(Type.String({ description: 'the id that the receiver answered when it took the message' })),
      state: State,
      reason: Type.Optional(Type.String({ description: 'why, where it was not delivered' })),
      at: Type.Optional(Type.String({ format: 'date-time', description: 'RFC 3339; now when absent' })),
    }),
  },
  { examples: [{ type: 'message.receipt', data: { communicationId: '01a1b2c3d4e57f608a7b8c9d0e1f2a3b', state: 'delivered' } }] },
);

export const ReceiptAnswer = Type.Object(
  {
    communicationId: Type.Union([Type.String(), Type.Null()]),
    state: Type.Union([State, Type.Null()], { description: 'null: what was told is not final, and changed nothing' }),
  },
  closed,
);
export type ReceiptAnswer = Static<typeof ReceiptAnswer>;
