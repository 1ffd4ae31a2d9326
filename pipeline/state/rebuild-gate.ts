/** Keeps the state role from building on a store that is being rebuilt. */
import { AttuneError } from '#contracts';
import { isRebuilding, watchRebuild, type FeatureStore, type RebuildWatch } from '#feature-store';
import type { Logger } from '../role.ts';

export interface RebuildGate {
  start(): void;
  /**
   * Asked after a batch's reads and before what follows from them: rejects while the mark of a rebuild stands. What was read before the
   * mark is then replaced by position guard or not at all: a rebuild changes nothing until nobody is still at work who has not seen the mark.
   */
  readonly mayCommit: () => Promise<void>;
  /** As of the last look. */
  readonly underway: () => boolean;
  stop(): void;
}

const CODE = 'feature-store.rebuilding';

export const isOfRebuild = (error: unknown): boolean => error instanceof AttuneError && error.code === CODE;

/** @param onChange when a rebuild has begun or ended: what was delivered and not committed is to be read again */
export const createRebuildGate = (deps: {
  readonly leases: FeatureStore['leases'];
  readonly logger: Logger;
  readonly everyMs: number | undefined;
  readonly onChange: () => Promise<void>;
}): RebuildGate => {
  const { leases, logger, everyMs, onChange } = deps;
  let watch: RebuildWatch | undefined;
  const told = (underway: boolean): void => {
    if (underway) logger.warn({}, 'the feature store is being rebuilt, or a rebuild was broken off: state waits until one has ended');
    else logger.info({}, 'the feature store is whole again: state goes on');
    onChange().catch((error: unknown) => logger.error({ err: error }, 'records could not be read again'));
  };
  return {
    start() {
      watch ??= watchRebuild(leases, { ...(everyMs !== undefined && { everyMs }), onChange: told });
    },
    async mayCommit() {
      if (!(await isRebuilding(leases))) return;
      throw new AttuneError(CODE, 'the feature store is being rebuilt', { retriable: true });
    },
    underway: () => watch?.underway() === true,
    stop() {
      watch?.stop();
      watch = undefined;
    },
  };
};
