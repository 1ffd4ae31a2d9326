/** GET and DELETE /v1/customers/{id}: what decisions see of a customer, and their erasure (law 9). */
import type { FastifyInstance } from 'fastify';
import { TOPICS, erasureCodec, type CustomerView } from '#contracts';
import { decodeState, describeOutreach, viewOfState } from '#feature-store';
import type { ServingContext } from '../context.ts';
import { ProblemError, notFound } from '../errors/problem.ts';
import { isFreshlyErased } from '../deciding/freshly-erased.ts';
import { readState } from '../deciding/read-state.ts';
import { recentMessagesOf } from '../deciding/recent-messages.ts';
import { CustomerAnswer, CustomerParams, CustomerQuery, ErasureAnswer } from '../schemas/receipts.ts';
import { problems } from '../schemas/common.ts';

interface Route {
  Params: { id: string };
  Querystring: { kind?: 'customer' | 'anonymous' };
}

/** An operator's question may wait longer than a decision. */
const READ_DEADLINE_MS = 1_000;

export const addCustomersRoutes = (app: FastifyInstance, context: ServingContext): void => {
  const { subjects, clock, erasures, appender } = context;

  app.get<Route>(
    '/v1/customers/:id',
    {
      onRequest: context.authorise('read'),
      schema: {
        tags: ['customers'],
        summary: 'What decisions may see of a customer now',
        params: CustomerParams,
        querystring: CustomerQuery,
        response: { 200: CustomerAnswer, ...problems },
      },
    },
    async (request) => {
      const subject = subjects.find(request.query.kind ?? 'customer', request.params.id);
      const nowMs = clock();
      const bytes = await readState({ ...context, storeCircuit: null }, subject, READ_DEADLINE_MS);
      if (bytes === 'failed') {
        const why = context.rebuild.underway() ? 'the feature store is being rebuilt' : 'the feature store did not answer';
        throw new ProblemError(503, 'unavailable', `${why}; ask again`);
      }
      if (bytes === null || isFreshlyErased(erasures, subject.key, nowMs)) throw notFound(`nothing is known of this ${subject.kind}`);
      const { featureSet } = context.catalog.current();
      const view = viewOfState(bytes, { customerKey: subject.key, featureSet, nowMs });
      const { recentMessages: _, ...outreach } = describeOutreach(decodeState(bytes, featureSet).outreach);
      const recentMessages = recentMessagesOf({ view, compiled: context.catalog.current(), nowMs, degraded: [] });
      return { customerId: subject.id, customerKey: subject.key, ...describe(view), outreach: { ...outreach, recentMessages } };
    },
  );

  app.delete<Route>(
    '/v1/customers/:id',
    {
      onRequest: context.authorise('admin'),
      schema: {
        tags: ['customers'],
        summary: "Erase a customer's personal data",
        description: 'Durable when answered; every store follows within seconds. What was recorded before is not shown or used again.',
        params: CustomerParams,
        querystring: CustomerQuery,
        response: { 202: ErasureAnswer, ...problems },
      },
    },
    async (request, reply) => {
      const subject = subjects.find(request.query.kind ?? 'customer', request.params.id);
      // What was taken before must lie in the log before, or its time might be later than the erasure's.
      await appender.append([]);
      const erasedAt = clock();
      await appender.append([
        {
          topic: TOPICS.erasures,
          shard: subject.shard,
          key: subject.keyBytes,
          value: erasureCodec.encode({ customerKey: subject.keyBytes, erasedAt, shard: subject.shard }),
        },
      ]);
      erasures.apply(subject.key, erasedAt);
      return reply.code(202).send({ erasedAt: new Date(erasedAt).toISOString() });
    },
  );
};

const describe = (view: CustomerView): object => ({
  attributes: view.attributes,
  features: Object.fromEntries(view.featureNames.map((name, index) => [name, view.features[index]])),
  featureSet: view.featureSet,
  contacts: view.contacts.map((contact) => ({ ...contact, at: new Date(contact.atMs).toISOString() })),
  pendingActionIds: view.pendingActionIds,
});
