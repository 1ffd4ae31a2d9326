/** The one error shape: RFC 9457 problem details with the fields at fault. */
import { STATUS_CODES } from 'node:http';

export interface FieldFault {
  /** Path into the body (`candidates.0.id`), query or header; empty for the whole. */
  readonly field: string;
  readonly message: string;
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly errors: readonly FieldFault[];
}

/** Thrown by a route to answer with a problem; the error handler turns it into one. */
export class ProblemError extends Error {
  readonly problem: Problem;
  /** Fastify reads it. */
  readonly statusCode: number;
  readonly code: string;

  constructor(status: number, code: string, detail: string, errors: readonly FieldFault[] = []) {
    super(detail);
    this.name = 'ProblemError';
    this.statusCode = status;
    this.code = code;
    this.problem = createProblem(status, code, detail, errors);
  }
}

export const createProblem = (status: number, code: string, detail: string, errors: readonly FieldFault[] = []): Problem => ({
  type: `urn:attune:problem:${code}`,
  title: STATUS_CODES[status] ?? 'Error',
  status,
  detail,
  errors,
});

/** 400 for one field. */
export const fieldFault = (field: string, message: string): ProblemError =>
  new ProblemError(400, 'invalid', `${field}: ${message}`, [{ field, message }]);

export const notFound = (what: string): ProblemError => new ProblemError(404, 'not-found', what);

/** 503: nothing durable can be promised; the client may send the same again. */
export const notDurable = (detail: string): ProblemError =>
  new ProblemError(503, 'not-durable', `${detail}; nothing is promised, send the same request again`);

/** 503: the log is away, and so much waits on the disk that no more may. */
export const outboxFull = (detail: string): ProblemError =>
  new ProblemError(503, 'outbox-full', `${detail}; nothing is promised, send the same request again later`);
