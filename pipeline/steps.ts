/** A chain of named steps over one record: a step answers ok, drop or deadLetter; the runner counts, and writes the dead letters. */

export type StepResult<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'drop'; readonly reason: string }
  | { readonly kind: 'deadLetter'; readonly reason: string; readonly message: string };

/** Pure: the same input gives the same answer. A step that throws is answered as a dead letter, since to try again would not help. */
export type Step<I, O> = (input: I) => StepResult<O>;

export const ok = <T>(value: T): StepResult<T> => ({ kind: 'ok', value });

/** A step that only changes what it was given. */
export const DONE: StepResult<null> = Object.freeze({ kind: 'ok', value: null });

const drops = new Map<string, StepResult<never>>();
export const drop = (reason: string): StepResult<never> => {
  let result = drops.get(reason);
  if (result === undefined) drops.set(reason, (result = Object.freeze({ kind: 'drop', reason })));
  return result;
};

export const deadLetter = (reason: string, message: string): StepResult<never> => ({ kind: 'deadLetter', reason, message });
