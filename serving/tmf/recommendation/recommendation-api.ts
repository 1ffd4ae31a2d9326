/** TMF680 Recommendation Management, v4. */
import type { FastifyInstance } from 'fastify';
import type { ServingContext } from '../../context.ts';
import { addResourceApi } from '../resource-api.ts';
import { createRecommendationFace } from './recommendation-face.ts';
import { createRecommendationStore } from './recommendation-store.ts';
import { TMF680 } from './resource-of.ts';

export const addRecommendationApi = (app: FastifyInstance, context: ServingContext): void => {
  const recommendations = createRecommendationStore(context.store.documents);
  addResourceApi(app, context, TMF680, (publisher) => createRecommendationFace({ ...context, recommendations, publisher }));
};
