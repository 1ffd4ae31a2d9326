/** Whether the optional package chdb is installed, resolved from where the embedded server loads it: without it there is no warehouse to test. */
import { createRequire } from 'node:module';

export const hasChdb = (): boolean => {
  try {
    createRequire(import.meta.url).resolve('chdb/package.json');
    return true;
  } catch {
    return false;
  }
};
