/** The role that runs segments, with controls of its own to follow. */
import { followControls } from '#event-log';
import { createSegmentsRole } from '#pipeline';
import type { Role, SegmentsRoleDeps } from '#pipeline';
import type { EventLog } from '#event-log';

export interface OpenSegmentsDeps extends Pick<SegmentsRoleDeps, 'store' | 'project' | 'clock'> {
  readonly log: EventLog;
  readonly logger: NonNullable<SegmentsRoleDeps['logger']>;
}

export const openSegments = ({ log, store, project, clock, logger }: OpenSegmentsDeps): Role => {
  const onUnreadable = (error: unknown): void =>
    logger.error({ err: error }, 'a record of the controls was not taken; what was in force stays');
  const controls = followControls({ log, onUnreadable });
  const role = createSegmentsRole({ log, store, controls, project, clock, logger });
  return {
    ...role,
    async stop() {
      await role.stop();
      await controls.stop();
    },
  };
};
