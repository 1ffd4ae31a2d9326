/** TMF681 Communication Management, v4. */
import type { FastifyInstance } from 'fastify';
import type { ServingContext } from '../../context.ts';
import { addResourceApi } from '../resource-api.ts';
import { createCommunicationFace } from './communication-face.ts';
import { createMessageStore } from './message-store.ts';
import { TMF681 } from './resource-of.ts';

/** @param random uniform in [0, 1) */
export const addCommunicationApi = (app: FastifyInstance, context: ServingContext, random: () => number): void => {
  const messages = createMessageStore(context.store.documents);
  addResourceApi(app, context, TMF681, (publisher) => createCommunicationFace({ ...context, random, messages, publisher }));
};
