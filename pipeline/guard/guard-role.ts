/**
 * The role that proves what contacting does: it counts matured trials by action, sets hold-outs and ramps, and pauses an action that makes customers
 * come to us. One process at a time, by a lease; the others wait (docs/backfire.md).
 */
import { TOPICS, communicationCodec } from '#contracts';
import type { Clock, Communication, Control } from '#contracts';
import type { Catalog } from '#decisioning';
import type { Consumer, ControlsHolder, EventLog, LogRecord } from '#event-log';
import type { FeatureStore } from '#feature-store';
import { backfireBounds, guardVerdict, shrunkRise } from '#models/backfire';
import type { BackfireBounds, GuardVerdict } from '#models/backfire';
import { createLeasedBeat } from '../lease/leased-beat.ts';
import { SILENT, type Logger, type Role } from '../role.ts';
import { countTrial } from './count-trial.ts';
import { openGuardBook } from './guard-book.ts';
import type { GuardBook } from './guard-book.ts';
import { newGuardDocument } from './guard-document.ts';
import type { GuardDocument, Pause } from './guard-document.ts';
import { guardedControls } from './guarded-controls.ts';
import { pausedEvent } from './paused-event.ts';
import { armRates, pauseReason } from './pause-reason.ts';

export interface GuardRoleDeps {
  readonly log: EventLog;
  readonly store: Pick<FeatureStore, 'documents' | 'leases'>;
  /** Followed, and stopped, by whoever passes them in. */
  readonly controls: ControlsHolder;
  /** Keeps what came into force, for replays of decisions. */
  readonly keepControls: (control: Control) => Promise<void>;
  /** Of the catalog in force. */
  readonly catalog: () => Pick<Catalog, 'backfire' | 'indexOf'>;
  readonly clock: Clock;
  readonly logger?: Logger;
  /** Between looks. Default 1 s. */
  readonly everyMs?: number;
  /** Default 4 s. */
  readonly leaseMs?: number;
}

export const GUARD_GROUP = 'guard';
const GUARD_LEASE = 'guard';

interface Office {
  readonly book: GuardBook;
  readonly consumer: Consumer;
}

interface Judged {
  readonly document: GuardDocument;
  readonly bounds: BackfireBounds;
  readonly verdict: GuardVerdict;
}

const FAULTS = {
  look: 'the guard could not look after hold-outs and pauses; it tries again',
  lease: 'the lease of the guard could not be asked for; what is held runs out',
} as const;

export const createGuardRole = (deps: GuardRoleDeps): Role => {
  const { log, store, controls, clock, logger = SILENT, everyMs = 1_000, leaseMs = 4_000 } = deps;
  const metrics = { trials: 0, known: 0, early: 0, unusable: 0, unreadable: 0, pauses: 0, resumes: 0, failures: 0 };
  let office: Office | undefined;
  /** Another process wrote a document: the lease was its own for a while. */
  let isStale = false;
  let turn: Promise<void> = Promise.resolve();

  const failed = (error: unknown, what: string): void => {
    metrics.failures++;
    logger.error({ err: error }, what);
    if ((error as { code?: string }).code === 'guard.superseded') isStale = true;
  };
  /** Batches and looks change the same documents: one at a time. */
  const inTurn = (task: () => Promise<void>): Promise<void> => {
    const mine = turn.then(task);
    turn = mine.catch(() => undefined);
    return mine;
  };

  const count = async (book: GuardBook, records: readonly LogRecord[]): Promise<void> => {
    const changed = new Map<string, GuardDocument>();
    for (const record of records) {
      const trial = readTrial(record);
      if (trial === null) continue;
      const { actionId } = trial;
      const before = changed.get(actionId) ?? book.find(actionId) ?? newGuardDocument(actionId, log.epoch);
      const { document, as } = countTrial(before, trial, record);
      metrics[as === 'counted' ? 'trials' : as]++;
      if (document !== before) changed.set(actionId, document);
    }
    for (const document of changed.values()) await book.write(document);
  };

  const readTrial = ({ value }: LogRecord): Communication | null => {
    try {
      const communication = communicationCodec.decode(value);
      return communication.state === 'matured' && communication.actionId !== '' ? communication : null;
    } catch {
      // The state role puts it into the dead letters.
      metrics.unreadable++;
      return null;
    }
  };

  const judge = (document: GuardDocument): Judged => {
    const { backfire } = deps.catalog();
    const bounds = backfireBounds(document.counts, backfire.alpha);
    return { document, bounds, verdict: guardVerdict(bounds, backfire) };
  };

  /** What a person resumed begins anew: what was known of it was known of another time. */
  const noticeResumes = async (book: GuardBook): Promise<void> => {
    const { version, pausedActions, at } = controls.current();
    for (const document of book.all()) {
      const { actionId, paused } = document;
      if (paused === null || paused.version === null || version <= paused.version || pausedActions.includes(actionId)) continue;
      await book.write({ ...document, counts: [], sinceMs: at, paused: null });
      metrics.resumes++;
      logger.info({ actionId }, 'a person has resumed an action that the guard had paused; its proof begins anew');
    }
  };

  /** The intention first: whoever finds it without a version writes the controls again, for silence harms less than a message. */
  const intendPauses = async (book: GuardBook): Promise<void> => {
    const { backfire } = deps.catalog();
    const { pausedActions } = controls.current();
    for (const { document, bounds, verdict } of book.all().map(judge)) {
      if (!verdict.pause || document.paused !== null || pausedActions.includes(document.actionId)) continue;
      const paused: Pause = { atMs: clock(), reason: pauseReason(document.counts, bounds, backfire), version: null };
      await book.write({ ...document, paused });
    }
  };

  const writeControls = async (book: GuardBook): Promise<void> => {
    const { indexOf } = deps.catalog();
    const known = book.all().filter(({ actionId }) => indexOf.has(actionId));
    const actions = known.map((document) => {
      const { share, ramp } = judge(document).verdict;
      const { actionId, paused } = document;
      return { actionId, share, ramp, rise: shrunkRise(document.counts), pause: paused?.version === null ? paused : null };
    });
    const before = controls.current().version;
    const control = await controls.change((current) => (lease.held() ? guardedControls(current, actions, clock()) : null));
    if (control.version > before) await deps.keepControls(control);
    for (const document of known) {
      const { actionId, paused } = document;
      if (paused === null || paused.version !== null || !control.pausedActions.includes(actionId)) continue;
      await tellPause(document, paused, control.version);
      await book.write({ ...document, paused: { ...paused, version: control.version } });
    }
  };

  const tellPause = async (document: GuardDocument, { reason, atMs }: Pause, controlsVersion: number): Promise<void> => {
    const { actionId, counts } = document;
    const { bounds } = judge(document);
    const { contacted, heldOut, low } = bounds;
    const { margin } = deps.catalog().backfire;
    const data = { actionId, reason, ...armRates(counts), contacted, heldOut, low, margin, controlsVersion };
    await log.append([pausedEvent(data, atMs, clock())]);
    metrics.pauses++;
    logger.warn({ actionId, controlsVersion, reason }, 'an action makes customers come to us; it is paused until a person resumes it');
  };

  const takeOffice = async (): Promise<void> => {
    const book = await openGuardBook(store.documents, log.epoch, clock);
    const consumer = log.consume({
      group: GUARD_GROUP,
      topics: [TOPICS.communications],
      onBatch: ({ records }) => inTurn(() => count(book, records)),
      onError: (error) => failed(error, 'a batch of guard failed; it comes again'),
    });
    office = { book, consumer };
    logger.info({ actions: book.all().length }, 'this process is the guard now');
  };
  const leaveOffice = async (): Promise<void> => {
    const consumer = office?.consumer;
    office = undefined;
    isStale = false;
    await consumer?.stop();
  };

  const look = async (): Promise<void> => {
    if (isStale || !lease.held()) await leaveOffice();
    if (!lease.held()) return;
    if (office === undefined) await takeOffice();
    const { book } = office!;
    await inTurn(async () => {
      await noticeResumes(book);
      await intendPauses(book);
      await writeControls(book);
    });
  };

  const lease = createLeasedBeat({
    leases: store.leases,
    name: GUARD_LEASE,
    leaseMs,
    everyMs,
    look,
    onFault: (error, what) => failed(error, FAULTS[what]),
  });

  return {
    name: 'guard',
    group: GUARD_GROUP,
    metrics: () => ({
      ...metrics,
      ...(office === undefined ? { isGuard: 0 } : { isGuard: 1, ...actionMetrics(office.book.all().map(judge)) }),
    }),
    async start() {
      await controls.caughtUp;
      await lease.start();
    },
    stop: () => lease.stop(leaveOffice),
  };
};

/** Names with labels, as Prometheus writes them. */
const actionMetrics = (judged: readonly Judged[]): Record<string, number> => {
  const metrics: Record<string, number> = { pausedActions: judged.filter(({ document }) => document.paused !== null).length };
  for (const { document, bounds, verdict } of judged) {
    const action = `action=${JSON.stringify(document.actionId)}`;
    metrics[`riseLow{${action}}`] = bounds.low;
    metrics[`riseHigh{${action}}`] = bounds.high;
    metrics[`contacted{${action}}`] = bounds.contacted;
    metrics[`heldOut{${action}}`] = bounds.heldOut;
    metrics[`holdoutShare{${action}}`] = verdict.share;
  }
  return metrics;
};
