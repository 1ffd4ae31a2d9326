/** The guard with controls of its own to follow and to change. */
import { followControls } from '#event-log';
import { createControlsKeeper } from '#feature-store';
import { createGuardRole } from '#pipeline';
import type { GuardRoleDeps, Role } from '#pipeline';
import type { FeatureStore } from '#feature-store';

export interface GuardDeps extends Pick<GuardRoleDeps, 'log' | 'catalog' | 'clock'> {
  readonly store: FeatureStore;
  readonly logger: NonNullable<GuardRoleDeps['logger']>;
}

export const openGuard = ({ log, store, catalog, clock, logger }: GuardDeps): Role => {
  const fault = (message: string) => (error: unknown) => logger.error({ err: error }, message);
  const controls = followControls({ log, onUnreadable: fault('a record of the controls was not taken; what was in force stays') });
  const role = createGuardRole({
    log,
    store,
    controls,
    keepControls: createControlsKeeper(store.blobs, fault('controls could not be kept for replays; it is tried again')),
    catalog,
    clock,
    logger,
  });
  return {
    ...role,
    async stop() {
      await role.stop();
      await controls.stop();
    },
  };
};
