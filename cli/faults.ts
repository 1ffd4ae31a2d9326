/** Faults as an operator reads them: known ones are a sentence, unknown ones show where they happened. */
import { AttuneError } from '#contracts';
import { EXIT } from './exit-codes.ts';

/** Codes that starting a role again cannot cure. */
const UNUSABLE = new Set([
  'config.invalid',
  'project.invalid',
  'catalog.invalid',
  'rewards.invalid',
  'features.invalid',
  'source.schema',
  'api-keys.invalid',
  'config.refused',
  'feature-store.partitions',
  'port.refused',
  'redis.cluster',
  'redis.version',
  'id-key.other',
]);

export const textOfFault = (error: unknown): string => {
  if (isOfListening(error)) return `nothing can listen at ${error.address}:${error.port} (${error.code})`;
  return error instanceof AttuneError || isOfArguments(error) ? (error as Error).message : String((error as Error).stack ?? error);
};

export const exitCodeOfRole = (error: unknown): number => {
  const code = error instanceof AttuneError ? error.code : '';
  if (code === 'warehouse.no-chdb') return EXIT.unavailable;
  // A port that is taken may be free again; an address that is not ours, or a port that is not allowed, stays so.
  const isUnusable = UNUSABLE.has(code) || isOfArguments(error) || (isOfListening(error) && error.code !== 'EADDRINUSE');
  return isUnusable ? EXIT.unusable : EXIT.failed;
};

/** A command is not started again by a supervisor: whatever may be otherwise next time is a failure, all else is unusable. */
export const exitCodeOfCommand = (error: unknown): number => {
  if (isOfArguments(error)) return EXIT.unusable;
  return error instanceof AttuneError && !error.retriable && error.code !== 'event-log.not-prepared' ? EXIT.unusable : EXIT.failed;
};

const isOfArguments = (error: unknown): boolean => (error as { code?: string } | null)?.code?.startsWith('ERR_PARSE_ARGS') === true;

const isOfListening = (error: unknown): error is { readonly code: string; readonly address: string; readonly port: number } =>
  (error as { syscall?: string } | null)?.syscall === 'listen';
