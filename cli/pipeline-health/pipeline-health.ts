/** The pipeline's health as one thing: it answers from the first moment, and is told when the roles consume. */
import { Registry, collectDefaultMetrics } from '@prometheus-io/client';
import { REQUIRED_GROUPS } from '#pipeline';
import type { Logger, Role } from '#pipeline';
import type { EventLog } from '#event-log';
import { watchRebuild } from '#feature-store';
import type { FeatureStore, RebuildWatch } from '#feature-store';
import { watchBacklog } from './backlog.ts';
import type { Backlog } from './backlog.ts';
import { roleMetrics } from './role-metrics.ts';
import { serveHealth } from './serve-health.ts';

export interface PipelineHealth {
  readonly port: number;
  /** The roles have started: ready from now on. */
  started(roles: readonly Role[], stores: { readonly log: EventLog; readonly store: FeatureStore }): void;
  stop(): Promise<void>;
}

export interface PipelineHealthOptions {
  readonly host: string;
  readonly port: number;
  readonly logger: Logger;
}

export const openPipelineHealth = async ({ host, port, logger }: PipelineHealthOptions): Promise<PipelineHealth> => {
  const ofProcess = new Registry();
  collectDefaultMetrics({ register: ofProcess, prefix: 'attune_' });
  let running: readonly Role[] | null = null;
  let backlog: Backlog | null = null;
  let watch: RebuildWatch | null = null;
  const server = await serveHealth({
    host,
    port,
    missing: () => (running === null ? 'the engines do not answer yet, or the roles are starting' : null),
    degraded: () => (watch?.isAway() === true ? ['features'] : []),
    metrics: async () => `${roleMetrics(running ?? [])}${backlog?.metrics() ?? ''}${await ofProcess.metrics()}`,
    onError: (error) => logger.error({ err: error }, 'the metrics could not be gathered'),
  });
  return {
    port: server.port,
    started(roles, { log, store }) {
      running = roles;
      const groups = roles.flatMap(({ name, group = name }) =>
        REQUIRED_GROUPS.filter((required) => required.group === name).map(({ topics }) => ({ name, group, topics })),
      );
      backlog = watchBacklog({ log, groups });
      watch = watchRebuild(store.leases, {
        onAway: (error) => logger.warn({ err: error }, 'the feature store does not answer: what rests on it waits'),
        onBack: () => logger.info({}, 'the feature store answers again'),
      });
    },
    async stop() {
      backlog?.stop();
      watch?.stop();
      await server.stop();
    },
  };
};
