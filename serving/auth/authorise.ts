/** A hook for each scope: who may call a route. */
import type { onRequestHookHandler } from 'fastify';
import { ProblemError } from '../errors/problem.ts';
import { findApiKey, type ApiKey, type Scope } from './api-keys.ts';

/** Without keys everyone is let in: then the process listens on loopback only (`refusalToOpen`). */
export const createAuthorise = (keys: readonly ApiKey[]): ((scope: Scope) => onRequestHookHandler) => {
  if (keys.length === 0) return () => letIn;
  return (scope) =>
    function authorise(request, reply, done) {
      const secret = secretOf(request.headers.authorization, request.headers['x-api-key']);
      const key = secret === null ? null : findApiKey(keys, secret);
      if (key === null) {
        reply.header('www-authenticate', 'Bearer realm="attune"');
        done(new ProblemError(401, 'unauthenticated', 'send an API key: "authorization: Bearer <secret>" or "x-api-key: <secret>"'));
      } else if (!key.scopes.has(scope)) {
        done(new ProblemError(403, 'forbidden', `the key "${key.name}" lacks the scope "${scope}"`));
      } else done();
    };
};

const letIn: onRequestHookHandler = (_request, _reply, done) => done();

const secretOf = (authorization: string | undefined, apiKey: string | string[] | undefined): string | null => {
  if (typeof apiKey === 'string') return apiKey;
  if (authorization !== undefined && authorization.slice(0, 7).toLowerCase() === 'bearer ') return authorization.slice(7).trim();
  return null;
};
