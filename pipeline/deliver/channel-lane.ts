/** Sends what waits in the outbox of one channel, beside the other channels. */
import { COMMUNICATION_KIND } from '#contracts';
import type { ChannelAdapter, Clock, CommunicationDocument, CommunicationState, OutboundMessage } from '#contracts';
import { documentOf, outboxOf } from '#feature-store';
import type { Documents, StoredDocument } from '#feature-store';
import type { ChannelDefinition } from '#project';
import type { Logger } from '../role.ts';
import type { DeliverMetrics } from './deliver-metrics.ts';

export interface Outcome {
  readonly state: Extract<CommunicationState, 'sent' | 'failed' | 'bounced' | 'expired' | 'cancelled'>;
  readonly reasonCode: string | null;
  readonly attempt: number;
  readonly providerId: string | null;
  readonly doubtful: boolean;
}

/** `unknown-customer`: nothing is stored of this customer, who was erased or is about to begin. `later`: not to be told now. */
export type LetOut = 'let-out' | 'not-let-out' | 'unknown-customer' | 'later';

export interface LaneDeps {
  readonly definition: ChannelDefinition;
  readonly adapter: ChannelAdapter;
  readonly documents: Documents;
  /** Resolves when the step is in the log; `shown` when it stands in the message's document as well. */
  readonly record: (document: CommunicationDocument, outcome: Outcome) => Promise<{ readonly shown: Promise<unknown> }>;
  /** Whether the customer's state, as it is committed, says that the gate let the message out. */
  readonly letOut: (document: CommunicationDocument) => Promise<LetOut>;
  /** A person has stopped it. */
  readonly isPaused: (actionId: string) => boolean;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly metrics: DeliverMetrics;
  readonly logger: Logger;
}

export interface Lane {
  /** Something may be due. */
  wake(): void;
  /** Why the peer is taken for down; null: it is not. */
  down(): string | null;
  inHand(): number;
  /** Rejects when the peer does not answer; whoever else has found it down is asked so. */
  check(): Promise<void>;
  start(): void;
  stop(): Promise<void>;
}

/** A claim: after it another process takes the attempt for one whose process died. */
const LEASE_MS = 120_000;
const SEND_MS = 90_000;
const POLL_MS = 250;
const PAUSED_MS = 2_000;
/** So many sends in a row that came to nothing are the peer's doing, not the messages'. */
const FAILURES_TO_BE_DOWN = 5;
/** State appends before it commits: what it let out a moment ago may not stand in the store yet. */
const COMMIT_MS = 10_000;
export const FIRST_LOOK_MS = 50;
const LOOK_MS = 500;

interface Work {
  readonly attempt: number;
  readonly doubtful: boolean;
  /** When it was first looked for in the customer's state and not found; ms since 1970 UTC. */
  readonly soughtMs?: number;
}

export const createLane = (deps: LaneDeps): Lane => {
  const { definition, adapter, documents, metrics, clock, logger } = deps;
  const kind = outboxOf(definition.name);
  const sending = new Map<string, Promise<void>>();
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let isReading = false;
  let isStarted = false;
  let failuresInRow = 0;
  let downWhy: string | null = null;
  let nextCheckMs = 0;
  let nextSendMs = 0;

  const put = (work: StoredDocument, state: string, dueMs: number, body: Work): Promise<number | null> =>
    documents.put(kind, { ...work, state, dueMs, body: Buffer.from(JSON.stringify(body)) }, work.version);

  const finish = async (work: StoredDocument, document: CommunicationDocument, outcome: Outcome): Promise<void> => {
    const { shown } = await deps.record(document, outcome);
    metrics[outcome.state]++;
    const removed = documents
      .get(kind, work.id)
      .then((current) => (current === null ? true : documents.remove(kind, work.id, current.version)));
    await Promise.all([shown, removed]);
  };

  const attempt = async (work: StoredDocument): Promise<void> => {
    const stored = await documents.get(COMMUNICATION_KIND, work.id);
    const document = stored === null ? null : documentOf(stored);
    // Erased, cancelled, or recorded just before a process died.
    if (document === null || document.state !== 'queued') {
      await documents.remove(kind, work.id, work.version);
      return;
    }
    const before = JSON.parse(work.body.toString()) as Work;
    const isCrashed = work.state === 'sending';
    const mayResend = adapter.deduplicates || definition.onDoubt === 'resend';
    const outcome = (state: Outcome['state'], reasonCode: string | null, more: Partial<Outcome> = {}): Outcome => ({
      state,
      reasonCode,
      attempt: before.attempt,
      providerId: null,
      doubtful: before.doubtful,
      ...more,
    });
    if (isCrashed && !adapter.deduplicates) metrics.doubtful++;
    if (isCrashed && !mayResend) return finish(work, document, outcome('failed', 'doubtful', { doubtful: true }));
    const nowMs = clock();
    const expiresAtMs = document.expiresAt ?? stored!.atMs + definition.expireAfterMs;
    const doubtful = before.doubtful || (isCrashed && !adapter.deduplicates);
    if (nowMs >= expiresAtMs) return finish(work, document, outcome('expired', 'expired', { doubtful }));
    if (deps.isPaused(document.actionId)) {
      await put(work, work.state, nowMs + PAUSED_MS, before);
      return;
    }
    if (before.attempt === 0 && !isCrashed && !(await passes(work, document, before, outcome('cancelled', 'not-let-out')))) return;
    if (document.address === null || document.content === null) return finish(work, document, outcome('failed', 'noAddressOrContent'));

    // Before the message leaves: whoever finds this without a result knows that it may have left.
    const now: Work = { attempt: before.attempt + 1, doubtful };
    const version = await put(work, 'sending', nowMs + LEASE_MS, now);
    if (version === null) return;
    // Somebody may have cancelled it since it was read.
    const newest = await documents.get(COMMUNICATION_KIND, work.id);
    if (newest === null || documentOf(newest).state !== 'queued') {
      await documents.remove(kind, work.id, version);
      return;
    }
    if (isCrashed) metrics.resent++;
    metrics.attempts++;
    const claimed = { ...work, state: 'sending', version };
    const message: OutboundMessage = {
      communicationId: work.id,
      channel: definition.name,
      address: document.address,
      content: document.content,
      language: document.language,
      expiresAtMs,
      attempt: now.attempt,
    };
    const result = await adapter.send(message, AbortSignal.any([stopping.signal, AbortSignal.timeout(SEND_MS)]));
    const told = { attempt: now.attempt, doubtful };
    switch (result.kind) {
      case 'sent':
        failuresInRow = 0;
        return finish(claimed, document, outcome('sent', null, { ...told, providerId: result.providerId }));
      case 'refused':
        failuresInRow = 0;
        return finish(claimed, document, outcome(result.bounced === true ? 'bounced' : 'failed', result.reason, told));
      case 'retry':
        return retry(claimed, document, outcome('failed', result.reason, told), result.afterMs);
      case 'unknown': {
        const isDoubtful = !adapter.deduplicates;
        if (isDoubtful) metrics.doubtful++;
        const last = outcome('failed', mayResend ? result.reason : 'doubtful', { ...told, doubtful: doubtful || isDoubtful });
        if (!mayResend) {
          noteFailure(result.reason);
          return finish(claimed, document, last);
        }
        if (isDoubtful) metrics.resent++;
        return retry(claimed, document, last, null);
      }
    }
  };

  /**
   * A queued message whose commit was refused was never let out: the gate judges again, and counts only what is committed. False: it is not
   * sent, or not yet.
   */
  const passes = async (work: StoredDocument, document: CommunicationDocument, before: Work, dropped: Outcome): Promise<boolean> => {
    const found = await deps.letOut(document);
    if (found === 'let-out') return true;
    const nowMs = clock();
    const soughtMs = before.soughtMs ?? nowMs;
    const soughtForMs = nowMs - soughtMs;
    if (found === 'later' || soughtForMs < COMMIT_MS) {
      const waitMs = Math.min(LOOK_MS, Math.max(FIRST_LOOK_MS, soughtForMs));
      await put(work, work.state, nowMs + waitMs, { ...before, soughtMs: found === 'later' ? nowMs : soughtMs });
      setTimeout(wake, waitMs).unref();
      return false;
    }
    await finish(work, document, dropped);
    // It came after the customer's erasure: it must not leave his address here.
    if (found === 'unknown-customer') await forget(work.id);
    return false;
  };

  const forget = async (id: string): Promise<void> => {
    const stored = await documents.get(COMMUNICATION_KIND, id);
    if (stored !== null) await documents.remove(COMMUNICATION_KIND, id, stored.version);
  };

  const noteFailure = (reason: string): void => {
    if (++failuresInRow < FAILURES_TO_BE_DOWN || downWhy !== null) return;
    downWhy = reason;
    logger.warn({ channel: definition.name, reason }, 'a channel is down: its messages wait');
  };

  const retry = async (work: StoredDocument, document: CommunicationDocument, last: Outcome, afterMs: number | null): Promise<void> => {
    noteFailure(last.reasonCode ?? '');
    // While the peer is down an attempt is not the message's: it waits until it expires.
    const isCounted = downWhy === null;
    if (isCounted && last.attempt >= definition.attempts) return finish(work, document, last);
    metrics.retries++;
    const backoffMs = Math.min(definition.longestRetryMs, definition.firstRetryMs * 2 ** Math.min(30, last.attempt - 1));
    const waitMs = stopping.signal.aborted ? 0 : Math.max(afterMs ?? 0, backoffMs * (0.5 + 0.5 * deps.random()));
    const body: Work = { attempt: isCounted ? last.attempt : last.attempt - 1, doubtful: last.doubtful };
    await put(work, 'queued', clock() + Math.round(waitMs), body);
  };

  const check = (): Promise<void> => adapter.check(AbortSignal.any([stopping.signal, AbortSignal.timeout(10_000)]));

  /** False: nothing may leave now. */
  const recover = async (): Promise<boolean> => {
    if (downWhy === null) return true;
    if (clock() < nextCheckMs) return false;
    nextCheckMs = clock() + Math.min(definition.firstRetryMs, 5_000);
    try {
      await check();
    } catch (error) {
      downWhy = (error as Error).message;
      return false;
    }
    downWhy = null;
    failuresInRow = 0;
    logger.info({ channel: definition.name }, 'a channel is up again');
    return true;
  };

  const read = async (): Promise<void> => {
    if (!(await recover())) return;
    const free = definition.connections - sending.size;
    if (free <= 0) return;
    // Those in hand here stay due where their lease ran out.
    const due = await documents.due(kind, clock(), free + sending.size);
    for (const work of due) {
      if (sending.size >= definition.connections || stopping.signal.aborted) return;
      if (sending.has(work.id) || !mayGo()) continue;
      const job = attempt(work)
        .catch((error: unknown) => {
          metrics.failures++;
          logger.warn({ err: error, channel: definition.name }, 'a message could not be worked on; it comes again');
        })
        .finally(() => {
          sending.delete(work.id);
          wake();
        });
      sending.set(work.id, job);
    }
  };

  /** One a tick of the channel's rate; up to a quarter of a second is made up for. */
  const mayGo = (): boolean => {
    if (definition.perSecond === null) return true;
    const nowMs = clock();
    nextSendMs = Math.max(nextSendMs, nowMs - POLL_MS);
    if (nextSendMs > nowMs) return false;
    nextSendMs += 1_000 / definition.perSecond;
    return true;
  };

  const wake = (): void => {
    if (!isStarted || stopping.signal.aborted || isReading) return;
    isReading = true;
    clearTimeout(timer);
    void read()
      .catch((error: unknown) => {
        metrics.failures++;
        logger.warn({ err: error, channel: definition.name }, 'the outbox of a channel could not be read');
      })
      .finally(() => {
        isReading = false;
        if (!stopping.signal.aborted) timer = setTimeout(wake, POLL_MS);
      });
  };

  return {
    wake,
    down: () => downWhy,
    inHand: () => sending.size,
    check,
    start() {
      isStarted = true;
      wake();
    },
    async stop() {
      stopping.abort();
      clearTimeout(timer);
      await Promise.all(sending.values());
    },
  };
};
