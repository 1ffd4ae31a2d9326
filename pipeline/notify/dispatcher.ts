/** Sends the notifications that are due, each until its callback has taken it or a day has passed. */
import { DAY_MS, MINUTE_MS, type Clock } from '#contracts';
import type { Documents, StoredDocument } from '#feature-store';
import type { Logger } from '../role.ts';
import { postCallback } from './post-callback.ts';

export const NOTIFICATION_KIND = 'notification';

/** As serving/tmf/hub wrote it. */
interface Body {
  readonly subscriptionId: string;
  readonly callback: string;
  readonly attempts: number;
  readonly payload: unknown;
}

export interface DispatcherDeps {
  readonly documents: Documents;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly allowPrivate: () => boolean;
  readonly counts: NotifyCounts;
  /** Of a callback's answer. */
  readonly timeoutMs: number;
  readonly firstRetryMs: number;
  readonly signal: AbortSignal;
}

export interface NotifyCounts {
  sent: number;
  retried: number;
  /** Nobody took them within a day, or nobody wants them any more. */
  dropped: number;
  /** Reads or writes of the store that failed. */
  failures: number;
}

const HUB_KIND = 'hub';
const LONGEST_RETRY_MS = 10 * MINUTE_MS;
const GIVEN_UP_AFTER_MS = DAY_MS;
/** Longer than an answer may take: another process that finds it due after that may send it. */
const CLAIM_SLACK_MS = 5_000;
const AT_ONCE = 32;

/** Sends what is due now; resolves to how many it came to an end with. */
export const createDispatcher = (deps: DispatcherDeps): (() => Promise<number>) => {
  const { documents, clock, logger, counts } = deps;

  /** The claim: of several processes one moves the due time, and sends. */
  const claim = async (found: StoredDocument): Promise<StoredDocument | null> => {
    const { version, ...document } = found;
    const claimed = { ...document, dueMs: clock() + deps.timeoutMs + CLAIM_SLACK_MS };
    const next = await documents.put(NOTIFICATION_KIND, claimed, version);
    return next === null ? null : { ...claimed, version: next };
  };

  const settle = async (claimed: StoredDocument, body: Body, reason: string | null): Promise<void> => {
    if (reason === null) {
      counts.sent++;
      await documents.remove(NOTIFICATION_KIND, claimed.id, claimed.version);
      return;
    }
    const attempts = body.attempts + 1;
    const nowMs = clock();
    if (nowMs - claimed.atMs > GIVEN_UP_AFTER_MS) return drop(claimed, body, reason);
    counts.retried++;
    const { version, ...document } = claimed;
    const waitMs = Math.min(deps.firstRetryMs * 2 ** Math.min(body.attempts, 30), LONGEST_RETRY_MS);
    const next = { ...document, dueMs: nowMs + waitMs, body: Buffer.from(JSON.stringify({ ...body, attempts } satisfies Body)) };
    await documents.put(NOTIFICATION_KIND, next, version);
  };

  const drop = async (claimed: StoredDocument, { callback, attempts }: Body, reason: string): Promise<void> => {
    counts.dropped++;
    logger.warn({ callback, attempts, reason }, 'a notification is given up');
    await documents.remove(NOTIFICATION_KIND, claimed.id, claimed.version);
  };

  const send = async (found: StoredDocument): Promise<void> => {
    const claimed = await claim(found);
    if (claimed === null) return;
    const body = JSON.parse(claimed.body.toString()) as Body;
    if ((await documents.get(HUB_KIND, body.subscriptionId)) === null) return drop(claimed, body, 'nobody subscribes any more');
    const result = await postCallback({
      url: body.callback,
      body: JSON.stringify(body.payload),
      allowPrivate: deps.allowPrivate(),
      timeoutMs: deps.timeoutMs,
      signal: deps.signal,
    });
    await settle(claimed, body, result.kind === 'taken' ? null : result.reason);
  };

  return async () => {
    const due = await documents.due(NOTIFICATION_KIND, clock(), AT_ONCE);
    const results = await Promise.allSettled(due.map(send));
    const failures = results.filter((result) => result.status === 'rejected');
    counts.failures += failures.length;
    if (failures.length > 0) logger.warn({ error: String(failures[0]!.reason) }, 'notifications wait: the feature store failed');
    return due.length - failures.length;
  };
};
