/** /healthz (alive), /readyz (warm) and /metrics (Prometheus). */
import { Registry } from '@prometheus-io/client';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { ProblemError } from '../errors/problem.ts';

export interface Readiness {
  /** Null when decisions may come; else what is still missing. */
  missing(): string | null;
  /** Decisions may come, and what is accepted waits in the outbox. */
  logIsAway(): boolean;
  /** Decisions may come, and are made without customers' states. */
  storeIsAway(): boolean;
}

const Ok = Type.Object({ status: Type.Literal('ok') });
const Ready = Type.Object({
  status: Type.Literal('ok'),
  degraded: Type.Optional(
    Type.Array(Type.String(), {
      description: 'log: the event log does not answer, records wait in the outbox; features: the feature store does not answer',
    }),
  ),
});

export const addHealthRoutes = (
  app: FastifyInstance,
  deps: { readonly readiness: Readiness; readonly metrics: () => Promise<string> },
): void => {
  app.get('/healthz', { schema: { tags: ['health'], summary: 'Alive', response: { 200: Ok } } }, async () => ({ status: 'ok' as const }));

  app.get('/readyz', { schema: { tags: ['health'], summary: 'Warm: decisions may come', response: { 200: Ready } } }, async () => {
    const missing = deps.readiness.missing();
    if (missing !== null) throw new ProblemError(503, 'not-ready', `not ready: ${missing}`);
    const degraded = [...(deps.readiness.logIsAway() ? ['log'] : []), ...(deps.readiness.storeIsAway() ? ['features'] : [])];
    return { status: 'ok' as const, ...(degraded.length > 0 && { degraded }) };
  });

  app.get(
    '/metrics',
    { schema: { tags: ['health'], summary: 'Prometheus metrics', produces: ['text/plain'] } },
    async (_request, reply) => {
      return reply.header('content-type', Registry.PROMETHEUS_CONTENT_TYPE).send(await deps.metrics());
    },
  );
};
