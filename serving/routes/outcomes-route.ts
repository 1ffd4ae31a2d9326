/** POST /v1/outcomes: takes what the customer did with a decision's action. */
import { hash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { TOPICS, decisionIdToBytes, outcomeCodec, parseDecisionId, shardOfDecision } from '#contracts';
import type { ServingContext } from '../context.ts';
import { fieldFault } from '../errors/problem.ts';
import { OutcomeAnswer, OutcomeRequest } from '../schemas/outcomes.ts';
import { problems } from '../schemas/common.ts';
import { parseTime } from './parse-time.ts';

export const addOutcomesRoute = (app: FastifyInstance, context: ServingContext): void => {
  const { clock, appender, metrics } = context;

  app.post<{ Body: OutcomeRequest }>(
    '/v1/outcomes',
    {
      onRequest: context.authorise('observe'),
      schema: {
        tags: ['observe'],
        summary: 'Tell what the customer did with an action',
        description:
          'An outcome that precedes its decision waits for an hour. The same outcomeId again counts once; without one, the same content counts once.',
        body: OutcomeRequest,
        response: { 202: OutcomeAnswer, ...problems },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const id = parseDecisionId(body.decisionId);
      if (id === null) throw fieldFault('decisionId', 'is not a decision id (36 characters, as POST /v1/decisions answered)');
      const { outcomeNames } = context.catalog.current();
      if (!outcomeNames.has(body.outcome)) {
        throw fieldFault('outcome', `"${body.outcome}" is not an outcome; use one of ${[...outcomeNames].join(', ')}`);
      }
      const nowMs = clock();
      const outcomeId = body.outcomeId ?? outcomeIdOf(body);
      const value = outcomeCodec.encode({
        outcomeId,
        decisionId: decisionIdToBytes(id),
        actionId: body.actionId,
        outcome: body.outcome,
        amount: body.amount ?? null,
        reward: body.reward ?? null,
        reasonCode: body.reasonCode ?? null,
        occurredAt: parseTime(body.occurredAt, 'occurredAt', nowMs),
        receivedAt: nowMs,
      });
      await appender.append([{ topic: TOPICS.outcomes, shard: shardOfDecision(id), value }]);
      metrics.observed('outcomes', 1);
      return reply.code(202).send({ outcomeId });
    },
  );
};

/** Depends on the content alone, so that a retry without an id of its own counts once. */
export const outcomeIdOf = (body: OutcomeRequest): string => {
  const { decisionId, actionId, outcome, amount, reward, reasonCode, occurredAt } = body;
  const content = JSON.stringify([decisionId, actionId, outcome, amount ?? null, reward ?? null, reasonCode ?? null, occurredAt ?? null]);
  return `o-${hash('sha256', content, 'hex').slice(0, 32)}`;
};
