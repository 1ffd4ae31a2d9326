/** The Fastify instance: limits, parsers, validator and error shape that hold for every route. */
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { createProblem } from './errors/problem.ts';
import { PROBLEM_JSON, installErrorHandler } from './errors/error-handler.ts';
import { tmfErrorOf } from './tmf/errors.ts';

export const BODY_LIMIT_BYTES = 1_048_576;

const CLOUD_EVENTS = ['application/cloudevents+json', 'application/cloudevents-batch+json'];

export interface HttpServerOptions {
  readonly logger: FastifyBaseLogger | null;
  readonly onRefused: (status: number) => void;
}

export const createHttpServer = ({ logger, onRefused }: HttpServerOptions): FastifyInstance => {
  const app: FastifyInstance = Fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: 30_000,
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    // What a kept-alive connection still brings while we drain is answered, and told to come no more this way.
    return503OnClosing: false,
    logController: new LogController({ disableRequestLogging: true }),
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 1_000, onBadUrl },
    ...(logger === null ? {} : { loggerInstance: logger }),
    // The caller's data are taken as they are or refused: nothing is coerced, dropped or filled in.
    // One error only: a hostile body must not buy a long list.
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: false,
        allowMatchingProperties: true,
        allowUnionTypes: true,
      },
    },
    clientErrorHandler(error, socket) {
      if (!socket.writable || socket.destroyed) return;
      const body = JSON.stringify(createProblem(400, 'http', `not an HTTP request that can be read (${error.code})`));
      socket.end(
        `HTTP/1.1 400 Bad Request\r\ncontent-type: ${PROBLEM_JSON}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      );
    },
  });
  installErrorHandler(app, onRefused);
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser(['application/json', ...CLOUD_EVENTS], { parseAs: 'string' }, (request, body, done) => {
    // Some clients announce JSON and send nothing; the route's schema says whether that will do.
    if (body.length === 0) done(null, undefined);
    else void parse(request, body as string, done);
  });
  return app;
};

const onBadUrl = (
  path: string,
  _request: unknown,
  response: { writeHead(status: number, headers: Record<string, string>): void; end(body: string): void },
): void => {
  const problem = createProblem(400, 'invalid', `the path ${path.slice(0, 200)} cannot be decoded`);
  const isTmf = path.startsWith('/tmf-api/');
  response.writeHead(400, { 'content-type': isTmf ? 'application/json; charset=utf-8' : PROBLEM_JSON });
  response.end(JSON.stringify(isTmf ? tmfErrorOf(problem) : problem));
};
