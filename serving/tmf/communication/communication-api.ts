/** TMF681 Communication Management, v4: its resource and its hub. */
import type { FastifyInstance } from 'fastify';
import type { ServingContext } from '../../context.ts';
import { addHubRoutes } from '../hub/hub-routes.ts';
import { createPublisher } from '../hub/publish.ts';
import { createSubscriptions } from '../hub/subscriptions.ts';
import { addResourceRoutes } from '../resource-routes.ts';
import { addTmfApi } from '../tmf-api.ts';
import { createCommunicationFace } from './communication-face.ts';
import { createMessageStore } from './message-store.ts';
import { TMF681 } from './resource-of.ts';

/** @param random uniform in [0, 1) */
export const addCommunicationApi = (app: FastifyInstance, context: ServingContext, random: () => number): void => {
  const { documents } = context.store;
  const subscriptions = createSubscriptions(documents);
  const face = createCommunicationFace({
    ...context,
    random,
    messages: createMessageStore(documents),
    publisher: createPublisher(documents, subscriptions, TMF681),
  });
  addTmfApi(app, TMF681.base, context.metrics, (api) => {
    addResourceRoutes(api, context, face);
    addHubRoutes(api, context, {
      base: TMF681.base,
      tag: face.tag,
      subscriptions,
      allowPrivate: () => context.catalog.current().channels.callbacks.allowPrivate,
    });
  });
};
