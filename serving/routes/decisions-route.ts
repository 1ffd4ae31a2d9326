/** POST /v1/decisions: the next best action for one customer at one moment. */
import type { FastifyInstance } from 'fastify';
import type { ServingContext } from '../context.ts';
import { DecisionAnswer, DecisionRequest } from '../schemas/decisions.ts';
import { problems } from '../schemas/common.ts';

export const addDecisionsRoute = (app: FastifyInstance, context: ServingContext): void => {
  const { decider } = context;

  app.post<{ Body: DecisionRequest }>(
    '/v1/decisions',
    {
      onRequest: context.authorise('decide'),
      schema: {
        tags: ['decide'],
        summary: 'Decide the next best action',
        description:
          "Always answers: what is missing (the customer's state, the model) is named in `degraded`. The receipt is durable when the answer arrives; GET it under the decisionId.",
        body: DecisionRequest,
        response: { 201: DecisionAnswer, ...problems },
      },
    },
    async (request, reply) => {
      reply.statusCode = 201;
      return decider.decide(request.body);
    },
  );
};
