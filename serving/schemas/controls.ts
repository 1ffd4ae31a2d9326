/** The operators' controls as the API shows and takes them. */
import { Type, type Static } from 'typebox';
import { Name, closed } from './common.ts';

const fields = {
  stopOutbound: Type.Boolean({ description: 'no outbound message leaves' }),
  pausedActions: Type.Array(Name('an action id', 100), { maxItems: 1_000, uniqueItems: true }),
  pausedChannels: Type.Array(Name('a channel', 60), { maxItems: 50, uniqueItems: true }),
  explorationOff: Type.Boolean({ description: 'the best by priority is chosen' }),
  pinnedModel: Type.Union([Name('a model version', 100), Type.Null()], { description: 'serves whatever is promoted' }),
  staged: Type.Array(
    Type.Object(
      { version: Name('a model version', 100), share: Type.Number({ minimum: 0, maximum: 1, description: 'of the customers' }) },
      closed,
    ),
    { maxItems: 20, description: 'challengers that serve a share of the customers, always the same ones' },
  ),
};

const who = { actor: Name('who'), reason: Name('why', 1_000) };

export const ControlsRequest = Type.Object(
  {
    ...who,
    version: Type.Optional(
      Type.Integer({ minimum: 0, description: 'the version that this change was made on; 409 when another is in force' }),
    ),
    ...Type.Partial(Type.Object(fields)).properties,
  },
  {
    ...closed,
    description: 'fields left out stay as they are',
    examples: [{ actor: 'ana', reason: 'price error', pausedActions: ['fiber-500'] }],
  },
);
export type ControlsRequest = Static<typeof ControlsRequest>;

const shown = {
  notices: Type.Array(
    Type.Object(
      {
        kind: Type.Union([Type.Literal('action'), Type.Literal('channel')]),
        name: Type.String(),
        by: Type.String({ description: 'who; `attune` where no person did it' }),
        reason: Type.String(),
        at: Type.String(),
      },
      closed,
    ),
    { description: 'why each of the paused is paused' },
  ),
  downChannels: Type.Array(Type.String(), {
    description: 'channels that do not deliver at this moment; nothing outbound is decided on them',
  }),
  holdouts: Type.Array(
    Type.Object(
      {
        actionId: Type.String(),
        share: Type.Number({ description: 'of those that it is chosen for' }),
        ramp: Type.Union([Type.Integer(), Type.Null()], { description: 'contacted customers whose windows have not matured, at most' }),
        rise: Type.Number({ description: 'of the rate of inbound contact by contacting, as far as it is known' }),
      },
      closed,
    ),
    { description: 'who is not contacted, so that what contacting does can be measured' },
  ),
  segmentOrders: Type.Array(
    Type.Object(
      {
        segmentId: Type.String(),
        order: Type.Union([Type.Literal('run'), Type.Literal('stop'), Type.Literal('resume')]),
        by: Type.String(),
        reason: Type.String(),
        at: Type.String(),
      },
      closed,
    ),
    { description: 'the last order that a person gave about each segment' },
  ),
};

export const ControlsAnswer = Type.Object(
  {
    version: Type.Integer(),
    actor: Type.String(),
    reason: Type.String(),
    at: Type.Union([Type.String(), Type.Null()]),
    ...fields,
    ...shown,
  },
  closed,
);
export type ControlsAnswer = Static<typeof ControlsAnswer>;

export const RollbackRequest = Type.Object(who, { ...closed, examples: [{ actor: 'ana', reason: 'complaints went up' }] });
export type RollbackRequest = Static<typeof RollbackRequest>;

export const PromotionRequest = Type.Object(
  {
    ...who,
    epsilon: Type.Optional(
      Type.Number({ minimum: 0, description: 'it may be worse by this much reward per decision; `reason` says why that is worth it' }),
    ),
    force: Type.Optional(Type.Boolean({ description: 'without proof; the record of the promotion says so' })),
    dryRun: Type.Optional(Type.Boolean({ description: 'judge, and change nothing' })),
  },
  { ...closed, examples: [{ actor: 'ana', reason: 'better by DR estimate' }] },
);
export type PromotionRequest = Static<typeof PromotionRequest>;
