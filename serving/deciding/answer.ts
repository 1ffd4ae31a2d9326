/** From a receipt to the answer: the same whether the decision was just made or is found again. */
import { decisionIdFromBytes, type Chosen, type Context, type Decision } from '#contracts';
import { contentOf, explain } from '#decisioning';
import { viewOfReceipt, type CustomerStateView } from '#feature-store';
import { recentMessagesOf } from './recent-messages.ts';
import type { CatalogHolder, CompiledProject } from '../holders/catalog-holder.ts';
import type { ActionAnswer, DecisionAnswer, DecisionRequest, RecentMessageAnswer } from '../schemas/decisions.ts';

export interface AnswerInput {
  readonly decision: Decision;
  readonly compiled: CompiledProject;
  readonly view: CustomerStateView;
  readonly context: Context;
  readonly explained: boolean;
}

export const answerOf = (input: AnswerInput): DecisionAnswer => {
  const { decision } = input;
  const actions = new Array<ActionAnswer>(decision.chosen.length);
  for (let i = 0; i < actions.length; i++) actions[i] = actionAnswer(decision.chosen[i]!, input);
  const answer: DecisionAnswer = {
    decisionId: decisionIdFromBytes(decision.decisionId),
    customerId: decision.anonymous ? null : decision.subjectId,
    decidedAt: new Date(decision.decidedAt).toISOString(),
    modelVersion: decision.modelVersion,
    catalogVersion: decision.catalogVersion,
    group: decision.group,
    degraded: decision.degraded.length === 0 ? null : (decision.degraded as string[]),
    actions,
    ...(decision.direction === 'inbound'
      ? {
          recentMessages: recentMessagesOf({ ...input, nowMs: decision.decidedAt, degraded: decision.degraded }) as
            | RecentMessageAnswer[]
            | null,
        }
      : {}),
  };
  if (!input.explained) return answer;
  return { ...answer, candidates: [...explain({ receipt: decision, catalog: input.compiled.catalog, view: input.view }).candidates] };
};

const NOTHING = Object.freeze({ content: Object.freeze({}), flowId: null });

const actionAnswer = (chosen: Chosen, { compiled, view, context }: AnswerInput): ActionAnswer => {
  const { content, flowId } = contentOf(compiled.catalog, chosen, { view, context }) ?? NOTHING;
  const { rank, actionId, treatmentId, propensity, probability, value, priority } = chosen;
  return { rank, actionId, treatmentId, propensity, probability, value, priority, content, flowId };
};

/** The first answer again, with the catalog and the customer as they were. */
export const answerOfReceipt = async (decision: Decision, catalog: CatalogHolder, request: DecisionRequest): Promise<DecisionAnswer> => {
  const compiled = (await catalog.byVersion(decision.catalogVersion).catch(() => null)) ?? catalog.current();
  const view = viewOfReceipt(decision, compiled.featureSet);
  return answerOf({ decision, compiled, view, context: JSON.parse(decision.context) as Context, explained: request.explain === true });
};
