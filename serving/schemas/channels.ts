/** The channels, whether they deliver, and who paused them. */
import { Type, type Static } from 'typebox';
import { closed } from './common.ts';

const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);

const Channel = Type.Object(
  {
    channel: Type.String(),
    adapter: Type.Union([Type.String(), Type.Null()], { description: 'null: not in channels.yaml, callers deliver' }),
    state: Type.Union([Type.Literal('up'), Type.Literal('down'), Type.Null()], {
      description: 'down: nothing outbound is decided on it; null: nobody has delivered on it yet',
    }),
    since: Nullable(Type.String({ format: 'date-time' })),
    reason: Type.Union([Type.String(), Type.Null()], { description: 'why it is down, as the peer or the network said' }),
    queued: Type.Union([Type.Integer(), Type.Null()], { description: 'messages that wait for it or are in hand' }),
    perSecond: Type.Union([Type.Number(), Type.Null()], { description: 'its throttle, of one process; null: none' }),
    paused: Type.Union(
      [
        Type.Object(
          {
            by: Nullable(Type.String()),
            reason: Nullable(Type.String()),
            at: Nullable(Type.String({ format: 'date-time' })),
          },
          { ...closed, description: 'who paused it, why and when, where that is known' },
        ),
        Type.Null(),
      ],
      { description: 'by PUT /v1/controls; null: it is not paused' },
    ),
  },
  closed,
);

export const ChannelsAnswer = Type.Object(
  { stopOutbound: Type.Boolean({ description: 'no outbound message leaves on any channel' }), channels: Type.Array(Channel) },
  closed,
);
export type ChannelsAnswer = Static<typeof ChannelsAnswer>;
