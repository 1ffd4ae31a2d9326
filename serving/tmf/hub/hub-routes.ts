/** /hub of one TM Forum API: subscriptions to its notifications. */
import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { faultOfCallback } from '#contracts';
import type { ServingContext } from '../../context.ts';
import { ProblemError, fieldFault, notFound } from '../../errors/problem.ts';
import { checkBody } from '../check-body.ts';
import { refuseOthers } from '../resource-routes.ts';
import { tmfProblems } from '../schemas.ts';

import { MOST_SUBSCRIPTIONS, parseSubscriptionQuery, type Subscription, type Subscriptions } from './subscriptions.ts';

export interface HubOptions {
  readonly base: string;
  readonly tag: string;
  readonly subscriptions: Subscriptions;
  /** `callbacks.allowPrivate` of channels.yaml, as it is now. */
  readonly allowPrivate: () => boolean;
}

const Input = Type.Object({
  callback: Type.String({ description: 'http or https; notifications are posted there' }),
  query: Type.Optional(
    Type.String({ description: 'a filter: eventType=CommunicationMessageStateChangeEvent&event.communicationMessage.state=failed' }),
  ),
});
const Hub = Type.Object({ id: Type.String(), callback: Type.String(), query: Type.String() });

const LONGEST = 2_000;

export const addHubRoutes = (app: FastifyInstance, context: Pick<ServingContext, 'authorise' | 'clock'>, options: HubOptions): void => {
  const { base, tag, subscriptions, allowPrivate } = options;
  const params = Type.Object({ id: Type.String() });
  const read = context.authorise('read');
  const admin = context.authorise('admin');

  app.post(
    '/hub',
    {
      onRequest: admin,
      schema: { tags: [tag], summary: 'Subscribe to notifications', body: Input, response: { 201: Hub, ...tmfProblems } },
    },
    async (request, reply) => {
      const { callback, query } = checkInput(request.body, allowPrivate());
      if ((await subscriptions.list(base)).length >= MOST_SUBSCRIPTIONS)
        throw new ProblemError(409, 'conflict', `there are ${MOST_SUBSCRIPTIONS} subscriptions already; delete some`);
      const subscription = { id: randomUUID(), api: base, callback, query };
      await subscriptions.add(subscription, context.clock());
      return reply.code(201).header('location', `${base}/hub/${subscription.id}`).send(answerOf(subscription));
    },
  );
  app.get(
    '/hub',
    { onRequest: read, schema: { tags: [tag], summary: 'List subscriptions', response: { 200: Type.Array(Hub), ...tmfProblems } } },
    async () => (await subscriptions.list(base)).map(answerOf),
  );
  app.get<{ Params: { id: string } }>(
    '/hub/:id',
    { onRequest: read, schema: { tags: [tag], summary: 'Read a subscription', params, response: { 200: Hub, ...tmfProblems } } },
    async ({ params: { id } }) => {
      const subscription = isId(id) ? await subscriptions.find(base, id) : null;
      if (subscription === null) throw missing();
      return answerOf(subscription);
    },
  );
  app.delete<{ Params: { id: string } }>(
    '/hub/:id',
    { onRequest: admin, schema: { tags: [tag], summary: 'Unsubscribe', params, response: { 204: Type.Null(), ...tmfProblems } } },
    async ({ params: { id } }, reply) => {
      if (!isId(id) || !(await subscriptions.remove(base, id))) throw missing();
      return reply.code(204).send();
    },
  );
  refuseOthers(app, '/hub', ['GET', 'POST']);
  refuseOthers(app, '/hub/:id', ['GET', 'DELETE']);
};

const isId = (id: string): boolean => /^[0-9a-f-]{36}$/.test(id);

const missing = (): ProblemError => notFound('there is no such subscription');

const answerOf = ({ id, callback, query }: Subscription): object => ({ id, callback, query: query ?? '' });

const checkInput = (body: unknown, allowPrivate: boolean): Pick<Subscription, 'callback' | 'query'> => {
  const { callback, query = null } = checkBody(body);
  if (typeof callback !== 'string' || callback.length > LONGEST)
    throw fieldFault('callback', `must be a URL of at most ${LONGEST} characters`);
  const fault = faultOfCallback(callback, allowPrivate);
  if (fault !== null) throw fieldFault('callback', fault);
  if (query !== null && (typeof query !== 'string' || query.length > LONGEST))
    throw fieldFault('query', `must be a text of at most ${LONGEST} characters`);
  parseSubscriptionQuery(query);
  return { callback, query: query === '' ? null : query };
};
