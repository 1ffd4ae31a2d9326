/** The OpenAPI document of all routes and its page at /docs. */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { CloudEvent, EventsBatch } from './schemas/events.ts';
import { Type } from 'typebox';

export const addOpenApi = async (app: FastifyInstance, hasKeys: boolean): Promise<void> => {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Attune',
        version: '1.0.0',
        description: 'The next best action for one customer at one moment, and learning from what the customer then does.',
      },
      tags: [
        { name: 'decide', description: 'decisions, their receipts and why' },
        { name: 'observe', description: 'outcomes, events and delivery receipts' },
        { name: 'customers', description: 'what is known of a customer; erasure' },
        { name: 'communicationMessage', description: 'TMF681: messages to customers, and who is told of them' },
        { name: 'queryProductRecommendation', description: 'TMF680: recommendations as TM Forum has them' },
        { name: 'operate', description: 'controls and models' },
        { name: 'health', description: 'health, readiness, metrics' },
      ],
      components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } },
      ...(hasKeys ? { security: [{ apiKey: [] }] } : {}),
    },
    // One event is taken as well; the validator sees it as a batch of one.
    transform: ({ schema, url }) => ({
      schema: url === '/v1/events' ? { ...schema, body: Type.Union([CloudEvent, EventsBatch]) } : schema,
      url,
    }),
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
};
