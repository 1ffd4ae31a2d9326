/** The role that delivers, with the channels that channels.yaml names and the secrets that they need. */
import type { Clock } from '#contracts';
import { openAdapter, refuseMissingSecrets } from '#channels';
import type { EventLog } from '#event-log';
import type { FeatureSet, FeatureStore } from '#feature-store';
import { createDeliverRole } from '#pipeline';
import type { DeliverRole, Logger } from '#pipeline';
import type { Channels } from '#project';
import type { Config } from './config.ts';

export interface OpenDeliverDeps {
  readonly config: Config;
  readonly log: EventLog;
  readonly store: FeatureStore;
  /** Of the project in force. */
  readonly featureSet: () => FeatureSet;
  /** As the role starts; a change of channels.yaml is in force after a restart. */
  readonly channels: Channels;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Null: the project has no channels.yaml, and callers deliver. Throws `channels.secret-missing` or `channels.secret-invalid`. */
export const openDeliver = ({ config, log, store, featureSet, channels, clock, logger }: OpenDeliverDeps): DeliverRole | null => {
  if (channels.channels.size === 0) return null;
  refuseMissingSecrets(channels, process.env);
  const deps = { env: process.env, dataDir: config.dataDir, clock, allowPrivate: channels.callbacks.allowPrivate };
  const opened = [...channels.channels.values()].map((definition) => ({ definition, adapter: openAdapter(definition, deps) }));
  return createDeliverRole({ log, store, featureSet, channels: opened, clock, random: Math.random, logger });
};
