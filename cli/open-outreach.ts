/** What the state role reaches out by: the catalog in force, the models and controls as the log tells them. */
import { followControls } from '#event-log';
import type { EventLog } from '#event-log';
import type { FeatureStore } from '#feature-store';
import { createOutreachDesk } from '#pipeline';
import type { OutreachCatalog, OutreachDesk } from '#pipeline';
import { followModels } from '#serving';
import type { Logger } from 'pino';

export interface Outreach {
  /** Resolves once controls and models are those of the log: who is paused must not be written to meanwhile. */
  readonly ready: Promise<void>;
  readonly desk: () => OutreachDesk;
  stop(): Promise<void>;
}

export const openOutreach = ({
  log,
  store,
  catalog,
  logger,
}: {
  readonly log: EventLog;
  readonly store: FeatureStore;
  readonly catalog: () => OutreachCatalog;
  readonly logger: Logger;
}): Outreach => {
  const fault = (what: string) => (error: unknown) => logger.error({ err: error }, `a ${what} was not taken; what was in force stays`);
  const controls = followControls({ log, onUnreadable: fault('record of the controls') });
  const models = followModels({
    log,
    blobs: store.blobs,
    openVersion: async (bytes) => (await import('#models')).openVersion(bytes),
    onFault: fault('model'),
  });
  controls.onChange((control) => models.control(control));
  let current: { readonly of: OutreachCatalog; readonly desk: OutreachDesk } | null = null;
  return {
    ready: Promise.all([controls.caughtUp, models.caughtUp]).then(() => models.settled()),
    desk: () => {
      const of = catalog();
      if (current?.of !== of)
        current = { of, desk: createOutreachDesk({ ...of, scorer: (key) => models.scorer('', key), controls: () => controls.current() }) };
      return current.desk;
    },
    async stop() {
      await Promise.all([controls.stop(), models.stop()]);
    },
  };
};
