/** Takes customers out of the snapshots of this machine soon after they were erased. */
import { TOPICS } from '#contracts';
import type { EventLog, Follower } from '#event-log';
import type { Logger, Role } from '../role.ts';
import { scrubSnapshots } from './scrub-snapshots.ts';

export interface ScrubTaskDeps {
  readonly log: EventLog;
  /** Where snapshots lie; none there costs nothing. */
  readonly root: string;
  readonly logger: Logger;
  /** From an erasure to the work, so that many share it. Default 2 s. */
  readonly waitMs?: number;
}

/** It works at most a tenth of the time. */
const REST = 9;

export const createScrubTask = ({ log, root, logger, waitMs = 2_000 }: ScrubTaskDeps): Role => {
  const metrics = { runs: 0, scrubbed: 0, failures: 0 };
  let follower: Follower | undefined;
  let timer: NodeJS.Timeout | undefined;
  let working: Promise<void> = Promise.resolve();
  let restMs = 0;
  const scrub = async (): Promise<void> => {
    const beganMs = performance.now();
    try {
      metrics.scrubbed += await scrubSnapshots(log, root);
      metrics.runs++;
    } catch (error) {
      metrics.failures++;
      logger.error({ err: error, root }, 'erased customers could not be taken out of the snapshots; `attune snapshot --scrub` tries again');
    }
    restMs = REST * (performance.now() - beganMs);
  };
  const soon = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      working = working.then(scrub);
    }, waitMs + restMs);
  };
  return {
    name: 'snapshots',
    metrics: () => metrics,
    start() {
      follower ??= log.follow([TOPICS.erasures], soon);
      return Promise.resolve();
    },
    async stop() {
      await follower?.stop();
      follower = undefined;
      clearTimeout(timer);
      await working;
    },
  };
};
