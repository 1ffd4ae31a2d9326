/**
 * The notify role: what the log says of messages becomes notifications of TM Forum's hubs, and notifications reach their callbacks.
 *
 * A role of its own beside `deliver`: a subscriber who does not answer must hold up no message, and a message that waits no notification.
 */
import { TOPICS, communicationCodec, type Clock, type Communication } from '#contracts';
import type { Consumer, EventLog } from '#event-log';
import type { Documents } from '#feature-store';
import { SILENT, type Logger, type Role } from '../role.ts';
import { createDispatcher, type NotifyCounts } from './dispatcher.ts';

export interface NotifyRoleDeps {
  readonly log: EventLog;
  readonly documents: Documents;
  readonly clock: Clock;
  /** Stores what subscribers are to be told of a step; the same step again adds nothing. The faces of TM Forum's APIs, passed in. */
  readonly announce: (communication: Communication) => Promise<void>;
  /** `callbacks.allowPrivate` of the catalog in force. */
  readonly allowPrivate: () => boolean;
  readonly logger?: Logger;
  /** Between looks for what is due. Default 500 ms. */
  readonly everyMs?: number;
  /** Default 10 s. */
  readonly timeoutMs?: number;
  /** Doubles to ten minutes. Default 1 s. */
  readonly firstRetryMs?: number;
}

export const NOTIFY_GROUP = 'notify';

export const createNotifyRole = (deps: NotifyRoleDeps): Role => {
  const { log, logger = SILENT, everyMs = 500 } = deps;
  const counts: NotifyCounts & { steps: number; unreadable: number } = {
    steps: 0,
    unreadable: 0,
    sent: 0,
    retried: 0,
    dropped: 0,
    failures: 0,
  };
  const stopping = new AbortController();
  const dispatch = createDispatcher({
    documents: deps.documents,
    clock: deps.clock,
    logger,
    allowPrivate: deps.allowPrivate,
    counts,
    timeoutMs: deps.timeoutMs ?? 10_000,
    firstRetryMs: deps.firstRetryMs ?? 1_000,
    signal: stopping.signal,
  });
  let consumer: Consumer | undefined;
  let running: Promise<void> | undefined;

  const read = (value: Buffer): Communication | null => {
    try {
      return communicationCodec.decode(value);
    } catch {
      // The state role puts it into the dead letters.
      counts.unreadable++;
      return null;
    }
  };

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const found = await dispatch().catch((error: unknown) => {
        counts.failures++;
        logger.warn(
          { error: error instanceof Error ? error.message : String(error) },
          'notifications wait: the feature store does not answer',
        );
        return 0;
      });
      if (found === 0) await pause(everyMs, stopping.signal);
    }
  };

  return {
    name: 'notify',
    group: NOTIFY_GROUP,
    metrics: () => ({ ...counts }),
    async start() {
      consumer ??= log.consume({
        group: NOTIFY_GROUP,
        topics: [TOPICS.communications],
        async onBatch({ records }) {
          for (const { value } of records) {
            const communication = read(value);
            if (communication === null) continue;
            await deps.announce(communication);
            counts.steps++;
          }
        },
        onError: (error) => logger.warn({ error: error instanceof Error ? error.message : String(error) }, 'steps wait to be announced'),
      });
      running ??= run();
    },
    async stop() {
      stopping.abort();
      await consumer?.stop();
      await running;
    },
  };
};

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
