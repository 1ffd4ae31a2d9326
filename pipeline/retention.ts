/** Drops what the log need not keep: records past the age limit that every required group has read. */
import { DAY_MS, HOUR_MS, STATE_INPUTS, TOPICS } from '#contracts';
import type { Clock } from '#contracts';
import type { EventLog } from '#event-log';
import type { Logger, Role } from './role.ts';

export interface RetentionDeps {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** ATTUNE_LOG_RETENTION_DAYS */
  readonly retentionDays: number;
  /** Default: hourly. */
  readonly everyMs?: number;
  /** Groups that must have read a record before it may go. Default: state, learn, record. */
  readonly requiredGroups?: Parameters<EventLog['retain']>[0]['requiredGroups'];
}

export const REQUIRED_GROUPS = [
  { group: 'state', topics: STATE_INPUTS },
  { group: 'learn', topics: [TOPICS.decisions, TOPICS.rewards] },
  { group: 'record', topics: [...STATE_INPUTS, TOPICS.rewards] },
] as const;

export const createRetentionTask = ({
  log,
  clock,
  logger,
  retentionDays,
  everyMs = HOUR_MS,
  requiredGroups = REQUIRED_GROUPS,
}: RetentionDeps): Role => {
  const metrics = { runs: 0, dropped: 0, failures: 0 };
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const run = async (): Promise<void> => {
    try {
      const dropped = await log.retain({ nowMs: clock(), maxAgeMs: retentionDays * DAY_MS, requiredGroups });
      metrics.runs++;
      metrics.dropped += dropped;
      if (dropped > 0) logger.info({ dropped }, 'log records past their age are gone');
    } catch (error) {
      metrics.failures++;
      logger.warn({ error }, 'log retention failed; it runs again later');
    }
  };
  return {
    name: 'retention',
    metrics: () => metrics,
    start() {
      timer ??= setInterval(() => {
        running = running.then(run);
      }, everyMs).unref();
      return Promise.resolve();
    },
    async stop() {
      clearInterval(timer);
      timer = undefined;
      await running;
    },
  };
};
