/** Who is asked for a decision answers first, where processors are short; the log keeps the rest. */
import { getPriority, setPriority } from 'node:os';

/** Nice values apart: under full load three times the time of another process. */
const APART = 5;

/**
 * By role: the API above the others, where this user may raise it, else the others below it.
 * @returns relative to this process
 */
export const nicenessOf = (role: string): number => {
  const mayRaise = isAllowed(() => setPriority(getPriority() - 1));
  if (mayRaise) setPriority(getPriority() + 1);
  if (role === 'api') return mayRaise ? -APART : 0;
  return mayRaise ? 0 : APART;
};

/** A process that is gone, and a system that does not let us say so, are no worse off. */
export const setNiceness = (pid: number | undefined, relative: number): void => {
  if (pid !== undefined && relative !== 0) isAllowed(() => setPriority(pid, getPriority() + relative));
};

const isAllowed = (step: () => void): boolean => {
  try {
    step();
    return true;
  } catch {
    return false;
  }
};
