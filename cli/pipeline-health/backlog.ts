/** How many records a role's consumer group has yet to read: the figure that grows when a role stands still. */
import { within } from '#contracts';
import type { Topic } from '#contracts';
import type { EventLog } from '#event-log';

export interface Backlog {
  metrics(): string;
  stop(): void;
}

export interface BacklogDeps {
  readonly log: Pick<EventLog, 'lag'>;
  /** `name` is what the figure is told under: a learner's group is another at each start. */
  readonly groups: readonly { readonly name: string; readonly group: string; readonly topics: readonly Topic[] }[];
  /** Default 5 s. */
  readonly everyMs?: number;
  /** Default 2 s: a log that has not answered by then counts as away. */
  readonly boundMs?: number;
}

export const watchBacklog = ({ log, groups, everyMs = 5_000, boundMs = 2_000 }: BacklogDeps): Backlog => {
  const known = new Map<string, number>();
  let asking = false;
  const ask = async (): Promise<void> => {
    if (asking) return;
    asking = true;
    await Promise.all(
      groups.map(async ({ name, group, topics }) => {
        // A log that is away leaves the figure unknown: an old one would look like health.
        const lag = log.lag(group, topics).catch(() => Number.NaN);
        known.set(name, await within(boundMs, lag, Number.NaN));
      }),
    );
    asking = false;
  };
  const timer = setInterval(() => void ask(), everyMs).unref();
  void ask();
  return {
    metrics() {
      const metric = 'attune_group_backlog_records';
      const lines = [...known].map(([name, records]) => `${metric}{group="${name}"} ${records}\n`);
      return `# HELP ${metric} Records that the consumer group has yet to read\n# TYPE ${metric} gauge\n${lines.join('')}`;
    },
    stop: () => clearInterval(timer),
  };
};
