import { ProblemError } from '../errors/problem.ts';

/** Throws a 400 problem. */
export const parseJson = (body: Buffer): unknown => {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new ProblemError(400, 'invalid', 'the body is not JSON');
  }
};
