/** What a decision is asked with and what it answers. */
import { Type, type Static } from 'typebox';
import { Flat, Name, closed } from './common.ts';

export const MAX_LIMIT = 50;
export const MAX_OWN_CANDIDATES = 1_000;

export const OwnCandidate = Type.Object(
  {
    id: Name("the caller's name of the candidate"),
    features: Type.Optional(Flat('what the learner may know of it')),
  },
  closed,
);

const Names = (description: string) =>
  Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 100 }), { minItems: 1, maxItems: 1_000, description }));

export const Scope = Type.Object(
  { actions: Names('ids of actions'), topics: Names('topics'), groups: Names('groups') },
  {
    ...closed,
    minProperties: 1,
    description: "only those of the catalog's actions take part that any of the lists names; default all",
    examples: [{ topics: ['fiber'] }],
  },
);

export const DecisionRequest = Type.Object(
  {
    customerId: Type.Optional(Name("the operator's id of the customer")),
    anonymousId: Type.Optional(Name('of a visitor who is not known (a cookie, a device); ignored beside customerId')),
    requestId: Type.Optional(Name("the client's id of this request: the same id again gives the same decision (24 h)")),
    channel: Name('where the customer is met, as the catalog names it', 60),
    direction: Type.Optional(
      Type.Union([Type.Literal('inbound'), Type.Literal('outbound')], { default: 'inbound', description: 'who began' }),
    ),
    placement: Type.Optional(Name('the place on the channel', 100)),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_LIMIT, default: 1, description: 'at most so many actions' })),
    scope: Type.Optional(Scope),
    context: Type.Optional(Flat('what the touchpoint says of the moment')),
    candidates: Type.Optional(
      Type.Array(OwnCandidate, {
        minItems: 1,
        maxItems: MAX_OWN_CANDIDATES,
        description: "the caller's own candidates instead of the catalog's actions; their eligibility is the caller's",
      }),
    ),
    allowNone: Type.Optional(Type.Boolean({ description: 'may the answer to own candidates be none of them? Default false' })),
    loop: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 60,
        pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
        description: 'keeps separate learners of own candidates apart; default "own"',
      }),
    ),
    explain: Type.Optional(Type.Boolean({ description: 'adds every candidate with its stage and reason' })),
  },
  {
    ...closed,
    examples: [{ customerId: 'c-1001', channel: 'app', placement: 'home-hero', limit: 3, context: { page: 'bill', device: 'ios' } }],
  },
);
export type DecisionRequest = Static<typeof DecisionRequest>;

export const ActionAnswer = Type.Object(
  {
    rank: Type.Integer({ description: '1-based slot' }),
    actionId: Type.String(),
    treatmentId: Type.String({ description: "the action's form on this channel" }),
    propensity: Type.Number({ description: 'P(accepted | shown), calibrated' }),
    probability: Type.Number({ description: 'P(chosen in this slot | the slots above)' }),
    value: Type.Number({ description: "the action's worth if accepted" }),
    priority: Type.Number({ description: 'what the arbiter compared' }),
    content: Type.Unsafe<Readonly<Record<string, unknown>>>({
      type: 'object',
      additionalProperties: true,
      description: "the treatment's texts",
    }),
    flowId: Type.Union([Type.String(), Type.Null()]),
  },
  closed,
);
export type ActionAnswer = Static<typeof ActionAnswer>;

/** Steps of a message that was let out. */
const MESSAGE_STATES = ['queued', 'sent', 'delivered', 'failed', 'bounced', 'expired', 'cancelled'] as const;

export const RecentMessageAnswer = Type.Object(
  {
    decisionId: Type.String({ description: 'GET its receipt under /v1/decisions' }),
    actionId: Type.String(),
    actionName: Type.Union([Type.String(), Type.Null()], { description: 'null: the catalog has no such action any more' }),
    treatmentId: Type.String({ description: "the action's form that was sent" }),
    channel: Type.String(),
    at: Type.String({ description: 'when it was let out, RFC 3339' }),
    state: Type.Union(MESSAGE_STATES.map((state) => Type.Literal(state))),
    stateReason: Type.Union([Type.String(), Type.Null()], { description: 'why, as a code' }),
    why: Type.Object(
      {
        cause: Type.String({ description: 'who wanted it: api, trigger:<id>, segment:<id>, snooze, tmf681' }),
        description: Type.Union([Type.String(), Type.Null()], { description: "of the trigger or segment, in the catalog's words" }),
        reason: Type.Union([Type.String(), Type.Null()], { description: '`context.reason` of the trigger or segment' }),
      },
      closed,
    ),
  },
  closed,
);
export type RecentMessageAnswer = Static<typeof RecentMessageAnswer>;

export const CandidateExplanation = Type.Object(
  {},
  { additionalProperties: true, description: 'a candidate with its stage, scores and reason in words' },
);

export const DecisionAnswer = Type.Object(
  {
    decisionId: Type.String({ description: 'name it in outcomes' }),
    customerId: Type.Union([Type.String(), Type.Null()]),
    decidedAt: Type.String({ description: 'RFC 3339' }),
    modelVersion: Type.String({ description: '"priors" when no model was there' }),
    catalogVersion: Type.String(),
    group: Type.Union([Type.Literal('model'), Type.Literal('random'), Type.Literal('untouched')]),
    degraded: Type.Union([Type.Array(Type.String()), Type.Null()], {
      description: 'what was missing: features, model, request, log; null when all was well',
    }),
    actions: Type.Array(ActionAnswer, { description: 'may be empty: doing nothing is a decision' }),
    recentMessages: Type.Optional(
      Type.Union([Type.Array(RecentMessageAnswer), Type.Null()], {
        description:
          "of inbound decisions: the latest messages that Attune sent to this customer within the catalog's backfire window, newest first, " +
          'at most 5, with what became of them and why they were sent; null where the customer could not be read',
      }),
    ),
    candidates: Type.Optional(Type.Array(CandidateExplanation, { description: 'with "explain": true' })),
  },
  closed,
);
export type DecisionAnswer = Static<typeof DecisionAnswer>;
