/** What the state role reaches out by: the catalog in force, the models and controls as the log tells them. */
import { followControls } from '#event-log';
import type { EventLog } from '#event-log';
import type { FeatureStore } from '#feature-store';
import { createOutreachDesk } from '#pipeline';
import type { OutreachCatalog, OutreachDesk } from '#pipeline';
import { followModels } from '#serving';
import type { ModelsHolder } from '#serving';
import type { Logger } from 'pino';

export interface Outreach {
  /** Resolves once the controls are those of the log: what is paused must not be sent meanwhile. */
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
  // Only who is asked to reach out loads models; the first decisions after that are made by priors, and say so.
  let models: ModelsHolder | undefined;
  const follow = (): ModelsHolder => {
    const holder = followModels({
      log,
      blobs: store.blobs,
      openVersion: async (bytes) => (await import('#models')).openVersion(bytes),
      onFault: fault('model'),
    });
    controls.onChange((control) => holder.control(control));
    holder.control(controls.current());
    return holder;
  };
  let current: { readonly of: OutreachCatalog; readonly desk: OutreachDesk } | null = null;
  return {
    ready: controls.caughtUp,
    desk: () => {
      const of = catalog();
      if (current?.of !== of)
        current = {
          of,
          desk: createOutreachDesk({ ...of, scorer: (key) => (models ??= follow()).scorer('', key), controls: () => controls.current() }),
        };
      return current.desk;
    },
    async stop() {
      await Promise.all([controls.stop(), models?.stop()]);
    },
  };
};
