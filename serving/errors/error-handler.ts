/** The one place where an error becomes an answer: always problem+json, 5xx only when nothing durable can be promised. */
import type { FastifyError, FastifyInstance } from 'fastify';
import { AttuneError } from '#contracts';
import { ProblemError, createProblem, type Problem } from './problem.ts';
import { validationFaults } from './validation-faults.ts';

export const PROBLEM_JSON = 'application/problem+json; charset=utf-8';

export const installErrorHandler = (app: FastifyInstance, onRefused: (status: number) => void): void => {
  const unavailable = createQuietWarning(app);
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const problem = problemOf(error);
    onRefused(problem.status);
    // A 503 says that something outside is away; only a defect is worth a stack.
    if (error instanceof ProblemError && error.code === 'not-ready') request.log.debug(problem.detail);
    else if (problem.status === 503) unavailable(problem.detail);
    else if (problem.status >= 500) request.log.error({ err: error }, problem.detail);
    // Without a serializer of its own the route's 2xx schema cannot touch it.
    return reply.code(problem.status).header('content-type', PROBLEM_JSON).serializer(JSON.stringify).send(problem);
  });
  app.setNotFoundHandler((request, reply) => {
    onRefused(404);
    const problem = createProblem(404, 'not-found', `there is no ${request.method} ${request.url.split('?')[0]!.slice(0, 200)}; see /docs`);
    return reply.code(404).header('content-type', PROBLEM_JSON).serializer(JSON.stringify).send(problem);
  });
};

const WARN_EVERY_MS = 1_000;

/** While an engine is away every request fails alike: the first is told at once, then one a second with their number. */
const createQuietWarning = ({ log }: FastifyInstance): ((detail: string) => void) => {
  let quietUntilMs = 0;
  let untold = 0;
  return (detail) => {
    untold += 1;
    const nowMs = performance.now();
    if (nowMs < quietUntilMs) return;
    log.warn(untold === 1 ? detail : `${detail} (${untold} such answers since the last line)`);
    quietUntilMs = nowMs + WARN_EVERY_MS;
    untold = 0;
  };
};

/** What any error is to a client. */
export const problemOf = (error: FastifyError): Problem => {
  if (error instanceof ProblemError) return error.problem;
  if (error.validation !== undefined) {
    const faults = validationFaults(error.validation);
    const where = error.validationContext ?? 'request';
    const detail = faults.map((fault) => `${fault.field === '' ? where : fault.field} ${fault.message}`).join('; ');
    return createProblem(400, 'invalid', detail, faults);
  }
  if (error instanceof AttuneError && error.retriable) {
    return createProblem(503, 'unavailable', `${error.message}; send the same request again`);
  }
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) return createProblem(status, clientCode(status), clientDetail(error));
  return createProblem(500, 'defect', 'something is broken in Attune; the log of the process says what');
};

const clientCode = (status: number): string =>
  status === 413
    ? 'too-large'
    : status === 415
      ? 'media-type'
      : status === 401
        ? 'unauthenticated'
        : status === 403
          ? 'forbidden'
          : 'invalid';

const clientDetail = (error: FastifyError): string => {
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return 'the body is larger than 1 MiB';
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return `${error.message}; send application/json`;
  return error.message;
};
