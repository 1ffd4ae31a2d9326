/** What a customer did with a decision's action, as a client reports it. */
import { Type, type Static } from 'typebox';
import { DecisionIdText, Name, closed } from './common.ts';

export const OutcomeRequest = Type.Object(
  {
    decisionId: DecisionIdText,
    actionId: Name("one of the decision's actions"),
    outcome: Name(
      "impression, clicked, accepted, rejected, later, converted, complaint, optOut, undelivered, alreadyHas, neverOffered, or the catalog's own",
      60,
    ),
    amount: Type.Optional(Type.Number({ description: "money of the outcome, in the catalog's currency" })),
    reward: Type.Optional(Type.Number({ description: 'sets the worth directly where the caller knows it: -1..1, or any real number' })),
    reasonCode: Type.Optional(Name("why, in the operator's codes", 100)),
    occurredAt: Type.Optional(Type.String({ format: 'date-time', maxLength: 40, description: 'RFC 3339; now when absent' })),
    outcomeId: Type.Optional(Name('the same id again counts once; made of the content when absent')),
  },
  { ...closed, examples: [{ decisionId: '01a1b2c3-d4e5-7f60-8a7b-8c9d0e1f2a3b', actionId: 'bill-explain', outcome: 'accepted' }] },
);
export type OutcomeRequest = Static<typeof OutcomeRequest>;

export const OutcomeAnswer = Type.Object({ outcomeId: Type.String() }, closed);
