/** A TM Forum API of one resource: its routes, and the hub of whoever wants to be told. */
import type { FastifyInstance } from 'fastify';
import type { ServingContext } from '../context.ts';
import { addHubRoutes } from './hub/hub-routes.ts';
import { createPublisher, type Publisher } from './hub/publish.ts';
import { createSubscriptions } from './hub/subscriptions.ts';
import { addResourceRoutes } from './resource-routes.ts';
import type { TmfFace } from './resource.ts';
import { addTmfApi } from './tmf-api.ts';

/** @param identity of the face that is made */
export const addResourceApi = (
  app: FastifyInstance,
  context: ServingContext,
  identity: Pick<TmfFace, 'base' | 'name'>,
  createFace: (publisher: Publisher) => TmfFace,
): void => {
  const { documents } = context.store;
  const subscriptions = createSubscriptions(documents);
  const face = createFace(createPublisher(documents, subscriptions, identity));
  addTmfApi(app, face.base, context.metrics, (api) => {
    addResourceRoutes(api, context, face);
    addHubRoutes(api, context, {
      base: face.base,
      tag: face.tag,
      subscriptions,
      allowPrivate: () => context.catalog.current().channels.callbacks.allowPrivate,
    });
  });
};
