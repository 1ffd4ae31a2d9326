/** What must hold for the body of any TM Forum resource before its face looks at it. */
import { fieldFault } from '../errors/problem.ts';
import { isObject } from './merge-patch.ts';
import type { TmfBody } from './resource.ts';

/** Deeper than any resource of TM Forum, and shallow enough for every recursion. */
const DEEPEST = 64;

/** Throws a 400. */
export const checkBody = (body: unknown): TmfBody => {
  if (!isObject(body)) throw fieldFault('body', 'must be a JSON object');
  let level: readonly unknown[] = [body];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) throw fieldFault('body', `is nested deeper than ${DEEPEST} levels`);
    level = level.filter((value) => typeof value === 'object' && value !== null).flatMap((value) => Object.values(value));
  }
  return body;
};

/** A client may send back what it was given, but not another id. */
export const withoutIdentity = (body: TmfBody, own: { readonly id: string; readonly href: string }): TmfBody => {
  const { id, href, ...rest } = body;
  if (id !== undefined && id !== own.id) throw fieldFault('id', 'cannot be changed');
  if (href !== undefined && href !== own.href) throw fieldFault('href', 'cannot be changed');
  return rest;
};
