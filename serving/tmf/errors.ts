/** The error shape of TM Forum APIs: `code` and `reason` as text, `status` too. */
import { STATUS_CODES } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { problemOf } from '../errors/error-handler.ts';
import { createProblem, type Problem } from '../errors/problem.ts';

export interface TmfError {
  readonly code: string;
  readonly reason: string;
  readonly message: string;
  readonly status: string;
  readonly '@type': 'Error';
}

export const tmfErrorOf = ({ type, status, detail }: Problem): TmfError => ({
  code: type.slice(type.lastIndexOf(':') + 1),
  reason: STATUS_CODES[status] ?? 'Error',
  message: detail,
  status: String(status),
  '@type': 'Error',
});

/** Holds for the routes below the prefix of `app` alone. */
export const installTmfErrors = (app: FastifyInstance, onRefused: (status: number) => void): void => {
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error as Parameters<typeof problemOf>[0]);
    onRefused(problem.status);
    if (problem.status >= 500 && problem.status !== 503) request.log.error({ err: error }, problem.detail);
    return reply.code(problem.status).type('application/json; charset=utf-8').send(tmfErrorOf(problem));
  });
  app.setNotFoundHandler((request, reply) => {
    onRefused(404);
    const path = request.url.split('?')[0]!.slice(0, 200);
    const problem = createProblem(404, 'not-found', `there is no ${request.method} ${path}; see /docs`);
    return reply.code(404).type('application/json; charset=utf-8').send(tmfErrorOf(problem));
  });
};
