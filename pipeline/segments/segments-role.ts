/**
 * The role that runs segments: it finds their customers by a scan and lets each one's turn come, at the segment's rate, as an event on the log; the
 * state role decides. One process at a time, by a lease; the others wait (docs/segments.md).
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#contracts';
import { isIn } from '#decisioning';
import type { Segment, Segments } from '#decisioning';
import type { ControlsHolder, EventLog } from '#event-log';
import { isRebuilding } from '#feature-store';
import type { FeatureSet, FeatureStore } from '#feature-store';
import { createLeasedBeat } from '../lease/leased-beat.ts';
import { SILENT } from '../role.ts';
import type { Logger, Role } from '../role.ts';
import { findMembers } from './find-members.ts';
import type { Members } from './find-members.ts';
import { createPace, portionOf } from './pace.ts';
import { createSegmentBook } from './segment-document.ts';
import type { SegmentBook, SegmentDocument, SegmentRunState } from './segment-document.ts';
import { turnEvent } from './turn-event.ts';
import { wantedRun } from './wanted-run.ts';
import type { WantedRun } from './wanted-run.ts';

export interface SegmentsRoleDeps {
  readonly log: Pick<EventLog, 'append'>;
  readonly store: Pick<FeatureStore, 'states' | 'blobs' | 'documents' | 'leases'>;
  /** Followed, and stopped, by whoever passes them in. */
  readonly controls: Pick<ControlsHolder, 'current' | 'caughtUp'>;
  /** In force. */
  readonly project: () => { readonly segments: Segments; readonly featureSet: FeatureSet };
  readonly clock: Clock;
  readonly logger?: Logger;
  /** Default: as the clock goes. */
  readonly sleep?: (ms: number) => Promise<void>;
  /** Between looks. Default 1 s. */
  readonly everyMs?: number;
  /** Default 4 s. */
  readonly leaseMs?: number;
}

const SEGMENTS_LEASE = 'segments';
/** How often a run's progress is written down. It is shown to people; what counts is in the customers' states. */
const TELL_MS = 5_000;
/** A run that failed scans anew: not at once. */
const PAUSE_MS = 5_000;

interface Running {
  readonly runAtMs: number;
  /** Why it is to end before it is through; null: it goes on. `left`: by another process, or after a restart. */
  ends: 'stopped' | 'superseded' | 'left' | null;
  task: Promise<void>;
}

const FAULTS = {
  look: 'it could not be looked whether a segment is due; it is tried again',
  lease: 'the lease of the segments could not be asked for; what is held runs out',
} as const;

export const createSegmentsRole = (deps: SegmentsRoleDeps): Role => {
  const { log, store, controls, project, clock, logger = SILENT, sleep = delay, everyMs = 1_000, leaseMs = 4_000 } = deps;
  const metrics = { runs: 0, resumed: 0, turns: 0, failures: 0 };
  const running = new Map<string, Running>();
  /** When one that failed may be tried again. */
  const paused = new Map<string, number>();
  let book: SegmentBook | null = null;

  const failed = (error: unknown, what: string): void => {
    metrics.failures++;
    logger.error({ err: error }, what);
    if ((error as { code?: string }).code === 'segments.superseded') book = null;
  };

  const run = async (
    own: Running,
    office: SegmentBook,
    segment: Segment,
    begun: SegmentDocument & { run: SegmentRunState },
  ): Promise<void> => {
    const { id } = segment;
    const { runAtMs } = begun.run;
    const isOver = (): boolean => own.ends !== null || !lease.held();
    const members = await findMembers({
      store,
      featureSet: project().featureSet,
      isMember: (view) => isIn(segment, view),
      nowMs: clock(),
      run: { segmentId: id, runAtMs },
      isOver,
    });
    // Half a store has half the customers.
    if (await isRebuilding(store.leases)) own.ends ??= 'left';
    const tell = (turns: number, more: Partial<SegmentRunState> = {}): Promise<void> =>
      office.write({ ...begun, run: { ...begun.run, members: members.count + members.had, turns: members.had + turns, ...more } });
    const turns = await takeTurns(own, members, id, runAtMs, isOver, tell);
    if (!lease.held() || own.ends === 'left') return;
    await tell(turns, { state: own.ends ?? 'done', endedMs: clock() });
    logger.info(
      { segment: id, runAtMs, by: begun.run.by, members: members.count + members.had, turns },
      `a run of a segment is ${own.ends ?? 'done'}`,
    );
  };

  /** How many turns it has let come. */
  const takeTurns = async (
    own: Running,
    members: Members,
    segmentId: string,
    runAtMs: number,
    isOver: () => boolean,
    tell: (turns: number) => Promise<void>,
  ): Promise<number> => {
    const pace = createPace({ clock, sleep, isOver });
    let turns = 0;
    let toldMs = -Infinity;
    while (turns < members.count && !isOver()) {
      // Of the catalog in force: a rate that is changed counts from now on, and what is taken out of it ends.
      const perSecond = project().segments.byId.get(segmentId)?.perSecond;
      if (perSecond === undefined) {
        own.ends ??= 'stopped';
        break;
      }
      if (clock() - toldMs >= TELL_MS) {
        await tell(turns);
        toldMs = clock();
      }
      const portion = members.list(turns, turns + portionOf(perSecond));
      if (!(await pace.next(portion.length, perSecond))) break;
      const nowMs = clock();
      await log.append(portion.map((member) => turnEvent(member, { segmentId, runAtMs }, nowMs)));
      turns += portion.length;
      metrics.turns += portion.length;
    }
    return turns;
  };

  const begin = async (office: SegmentBook, segment: Segment, document: SegmentDocument, wanted: WantedRun): Promise<void> => {
    const isNew = document.run?.runAtMs !== wanted.runAtMs;
    const state = isNew
      ? ({ ...wanted, state: 'running', startedMs: clock(), endedMs: null, members: null, turns: 0 } satisfies SegmentRunState)
      : document.run;
    const begun = { ...document, run: state };
    if (isNew) await office.write(begun);
    metrics[isNew ? 'runs' : 'resumed']++;
    logger.info({ segment: segment.id, ...wanted }, isNew ? 'a run of a segment begins' : 'a run of a segment goes on');
    const own: Running = { runAtMs: wanted.runAtMs, ends: null, task: Promise.resolve() };
    running.set(segment.id, own);
    own.task = run(own, office, segment, begun)
      .catch((error: unknown) => {
        failed(error, `a run of segment ${segment.id} failed; it goes on from where it was`);
        paused.set(segment.id, clock() + PAUSE_MS);
      })
      .finally(() => running.delete(segment.id));
  };

  const lookAt = async (office: SegmentBook, segment: Segment): Promise<void> => {
    const order = controls.current().segmentOrders.find(({ segmentId }) => segmentId === segment.id);
    const document = await office.open(segment.id);
    const wanted = wantedRun(segment, document, order, clock());
    const active = running.get(segment.id);
    if (active !== undefined) {
      if (active.runAtMs !== wanted?.runAtMs) active.ends ??= wanted === null ? 'stopped' : 'superseded';
      return;
    }
    const left = document.run;
    if (left?.state === 'running' && left.runAtMs !== wanted?.runAtMs)
      return office.write({ ...document, run: { ...left, state: wanted === null ? 'stopped' : 'superseded', endedMs: clock() } });
    if (wanted !== null && clock() >= (paused.get(segment.id) ?? 0)) await begin(office, segment, document, wanted);
  };

  const look = async (): Promise<void> => {
    if (!lease.held() || (await isRebuilding(store.leases))) {
      book = null;
      for (const own of running.values()) own.ends ??= 'left';
      return;
    }
    book ??= createSegmentBook(store.documents, clock);
    for (const segment of project().segments.all) if (book !== null) await lookAt(book, segment);
  };

  const lease = createLeasedBeat({
    leases: store.leases,
    name: SEGMENTS_LEASE,
    leaseMs,
    everyMs,
    look,
    onFault: (error, what) => failed(error, FAULTS[what]),
  });

  return {
    name: 'segments',
    metrics: () => ({ ...metrics, isRunner: lease.held() ? 1 : 0, running: running.size }),
    async start() {
      await controls.caughtUp;
      await lease.start();
    },
    stop: () =>
      lease.stop(async () => {
        for (const own of running.values()) own.ends ??= 'left';
        await Promise.all([...running.values()].map(({ task }) => task));
        book = null;
      }),
  };
};
