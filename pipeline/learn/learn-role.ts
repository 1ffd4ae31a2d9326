/**
 * The role that learns: it joins decisions with their rewards, keeps one learner a loop, and publishes snapshots.
 *
 * Every process with this role learns from all partitions, with offsets of its own beside its statistics (law 4). Only the one that holds the
 * lease speaks; the others are ready to go on in its place (docs/learning.md, docs/decisions/0015).
 */
import { DAY_MS, HOUR_MS, MINUTE_MS, TOPICS, customerKeyFromBytes, erasureCodec, modelCodec } from '#contracts';
import type { CustomerKey, ModelRecord } from '#contracts';
import type { Consumer, Follower, LogRecord } from '#event-log';
import { keepLease } from '../lease/keep-lease.ts';
import type { KeptLease } from '../lease/keep-lease.ts';
import type { Role } from '../role.ts';
import { watchCatchingUp } from './catching-up.ts';
import type { CatchingUp } from './catching-up.ts';
import { driftMetrics, tellDrift } from './drift.ts';
import { MAX_IN_HAND, createExperienceDesk } from './experience-desk.ts';
import { createExperienceJoin } from './experience-join.ts';
import type { ExperienceJoin } from './experience-join.ts';
import { openExperienceStore } from './experience-store.ts';
import type { ExperienceStore } from './experience-store.ts';
import type { LearnRoleDeps } from './learn-role-deps.ts';
import { groupOfHome } from './learner-group.ts';
import { openLearnerHome } from './learner-home.ts';
import type { LearnerHome } from './learner-home.ts';
import { createLearnersInHand } from './learners-in-hand.ts';
import { createModelBoard } from './model-board.ts';
import { createPublisher } from './publisher.ts';
import { createPublishing } from './publishing.ts';
import { TOPICS_LEARNED, offsetKey } from './restore-learners.ts';
import { restoreRole } from './restore-role.ts';
import type { Deposed } from './restore-role.ts';
import { createChallengerSearch } from './seek-challengers.ts';
import { writeCheckpoint } from './write-checkpoint.ts';

const LEARNER_LEASE = 'learner';

/** The first shared checkpoint does not wait for an hour. */
const FIRST_SHARE_MS = MINUTE_MS;
/** What others replaced is theirs to remove; it is kept in mind this long, should they die before they did. */
const OTHERS_REMOVE_MS = 10 * MINUTE_MS;
const AFTER_FAILURE_MS = 500;

export interface LearnRole extends Role {
  loops(): readonly string[];
  /** Now, and not when its time comes. */
  checkpoint(): Promise<void>;
  publish(): Promise<void>;
  share(): Promise<void>;
  /** Stops as a killed process would, without a last checkpoint: for tests of just that. */
  abandon(): Promise<void>;
}

interface Opened {
  readonly home: LearnerHome;
  readonly rows: ExperienceStore;
  readonly join: ExperienceJoin;
  readonly follower: Follower;
  readonly catchingUp: CatchingUp;
}

export const createLearnRole = (deps: LearnRoleDeps): LearnRole => {
  const { log, store, clock, logger, publishEveryMs = 50, checkpointEveryMs = 5_000, shareEveryMs = HOUR_MS } = deps;
  const { leaseMs = 4_000, ttlDays = 15, maxLoops = 32 } = deps;
  const metrics = { checkpoints: 0, checkpointMs: 0, failures: 0, unreadable: 0, missed: 0, terms: 0, intruders: 0 };
  const erased = new Map<CustomerKey, number>();
  const offsets: Record<string, number> = {};
  const board = createModelBoard();
  /** Next offset of attune.models by partition, as far as it was followed. */
  const followed = new Map<number, number>();
  let opened: Opened | undefined;
  /** Asked for once this learner is worth hearing. */
  let lease: KeptLease | undefined;
  let desk = createExperienceDesk({ read: () => null });
  let sequence = 0;
  let checkpointed = 0;
  let swept = 0;
  let startedAt = 0;
  let restsUntilMs = 0;
  let inOffice = false;
  /** Of the encoder before: stepped down by the first record of its successor's office. */
  let deposed: Deposed | null = null;
  let consumer: Consumer | undefined;
  let group = 'learn';
  let ticker: NodeJS.Timeout | undefined;
  let hearLoss = (): void => {};
  let work: Promise<void> = Promise.resolve();

  const mayPublish = (): boolean => lease?.held === true;
  const publisher = createPublisher({ log, store, board, clock, mayPublish, intend: (blobs) => opened?.rows.intend(blobs) });

  const failed = (error: unknown, what: string, of: object = {}): void => {
    metrics.failures++;
    logger.error({ ...of, err: error }, what);
  };
  const learners = createLearnersInHand({
    createLearner: deps.createLearner,
    createDriftWatch: () => deps.createDriftWatch?.() ?? null,
    maxLoops,
  });
  const publishing = createPublishing({
    learners,
    board,
    publisher,
    clock,
    publishEveryMs,
    failed,
  });
  const seekChallengers = createChallengerSearch({
    board,
    learners,
    blobs: store.blobs,
    restoreLearner: deps.restoreLearner,
    createLearnerOf: deps.createLearnerOf ?? null,
    catchUp: () => ({ rows: opened!.rows, desk: () => desk, join: opened!.join }),
    logger,
    failed,
  });

  const follow = (record: LogRecord): void => {
    if (record.topic === TOPICS.erasures) {
      const { customerKey, erasedAt } = erasureCodec.decode(record.value);
      const key = customerKeyFromBytes(customerKey);
      erased.set(key, Math.max(erasedAt, erased.get(key) ?? 0));
      desk.forget({ customerKey: key, erasedAtMs: erasedAt });
      return;
    }
    const model = modelCodec.decode(record.value);
    const posted = board.posted(model.loop, model.version).newest?.snapshot ?? 0;
    const champion = board.champion(model.loop);
    board.follow(model);
    if (board.champion(model.loop) !== champion) freshen(model.loop);
    if (inOffice && model.snapshot > 0) answer(model, posted);
  };

  /** Roles changed hands: each version's newest record is to say what it plays now. */
  const freshen = (loop: string): void => {
    for (const slot of learners.all()) if (slot.learner.loop === loop) slot.dirty = true;
  };

  /** Another learner spoke, or an operator about an old snapshot: the last word on what is learned here must be ours, or not be ours at all. */
  const answer = (model: ModelRecord, posted: number): void => {
    const slot = [learners.own.get(model.loop), learners.challengers.get(model.version)?.slot].find(
      (one) => one?.learner.version === model.version,
    );
    const late = model.note !== '' && model.snapshot < posted;
    if (slot === undefined || (publisher.isOwn(model) && !late)) return;
    if (model.snapshot <= posted) {
      slot.dirty = true;
      if (!late) metrics.intruders++;
      return;
    }
    metrics.intruders++;
    inOffice = false;
    lease?.doubt();
    logger.warn({ snapshot: model.snapshot, above: posted }, 'another process publishes as the learner; this one asks for the lease again');
  };

  const onBatch = async (records: readonly LogRecord[]): Promise<void> => {
    for (const record of records) {
      const key = offsetKey(record);
      if (record.offset < (offsets[key] ?? 0)) continue;
      const done = (): void => void (offsets[key] = record.offset + 1);
      try {
        await opened!.join.apply(record, done);
      } catch (error) {
        if ((error as { code?: string }).code !== 'record.unreadable') throw error;
        // State has written the dead letter of a decision; a reward is our own and cannot be mended by waiting.
        metrics.unreadable++;
        done();
      }
    }
    if (desk.size > MAX_IN_HAND) await inTurn(checkpoint);
  };

  const checkpoint = async (): Promise<void> => {
    if (opened === undefined) return;
    const { home, rows } = opened;
    const startMs = performance.now();
    const at = { sequence: ++sequence, epoch: log.epoch, offsets, superseded: board.superseded(), atMs: clock() };
    await writeCheckpoint({ dir: home.dir, rows, desk }, learners, at);
    metrics.checkpoints++;
    metrics.checkpointMs = performance.now() - startMs;
    checkpointed = clock();
  };

  /** What was followed may be a moment behind the log; what is read here is all that anybody published before. */
  const readBoard = async (): Promise<void> => {
    for (let partition = 0; partition < log.partitions; partition++) {
      const { first, next } = await log.offsets(TOPICS.models, partition);
      let at = Math.max(first, followed.get(partition) ?? 0);
      while (at < next) {
        const records = await log.read(TOPICS.models, partition, at, 1_000);
        for (const record of records) board.follow(modelCodec.decode(record.value));
        at = records.length === 0 ? next : records.at(-1)!.offset + 1;
      }
    }
  };

  const takeOffice = async (): Promise<void> => {
    await readBoard();
    await publisher.takeOffice();
    if (!mayPublish()) return;
    inOffice = true;
    metrics.terms++;
    if (deposed !== null) {
      // A trained trunk that serves goes on: its encoder is its own.
      if (board.champion('') === deposed.version) {
        await publisher.retire('', deposed.version, deposed.note);
        board.crown('', learners.own.get('')!.learner.version, clock());
      }
      deposed = null;
    }
    for (const slot of learners.all()) slot.dirty = true;
    logger.info({ experiences: learners.experiences() }, 'this process is the learner now');
  };

  const isWorthHearing = (nowMs: number): boolean => {
    const isFirst = deposed === null && board.champion('') === null;
    return isFirst || opened!.catchingUp.isDone(offsets, nowMs);
  };
  const standFor = async (): Promise<void> => {
    lease = keepLease({
      leases: store.leases,
      name: LEARNER_LEASE,
      owner: opened!.home.id,
      ttlMs: leaseMs,
      onFault: (error) => failed(error, 'the lease of the learner could not be asked for; what is held runs out'),
    });
    await lease.renew();
  };

  const tick = async (): Promise<void> => {
    const nowMs = clock();
    if (inOffice && !mayPublish()) {
      inOffice = false;
      logger.warn({}, 'the lease of the learner is lost; this process learns on as a standby');
    }
    if (lease === undefined && isWorthHearing(nowMs)) await standFor();
    if (!inOffice && mayPublish()) await takeOffice();
    await seekChallengers();
    if (inOffice) await publishing.publishDue(nowMs);
    else await publishing.solveDue(nowMs);
    if (desk.size > 0 && nowMs - checkpointed >= Math.max(checkpointEveryMs, 10 * metrics.checkpointMs)) await checkpoint();
    if (inOffice && nowMs - Math.max(publisher.sharedAt, startedAt - shareEveryMs + Math.min(FIRST_SHARE_MS, shareEveryMs)) >= shareEveryMs)
      await publisher.share(offsets, learners.own.values(), learners.caughtUp());
    if (nowMs - swept >= MINUTE_MS) {
      swept = nowMs;
      await opened!.rows.sweep(nowMs - ttlDays * DAY_MS, 5_000);
      if (inOffice) await publisher.removeSuperseded();
      else for (const { blob, atMs } of board.superseded()) if (atMs < nowMs - OTHERS_REMOVE_MS) board.removed(blob);
    }
  };

  /** One at a time: publishing, checkpoints and sweeps. */
  const inTurn = (task: () => Promise<void>): Promise<void> => {
    const turn = work.then(task);
    work = turn.catch(() => {});
    return turn;
  };
  /** What failed is tried again, but not at every tick. */
  const beat = async (): Promise<void> => {
    if (performance.now() < restsUntilMs) return;
    try {
      await inTurn(tick);
    } catch (error) {
      restsUntilMs = performance.now() + AFTER_FAILURE_MS;
      failed(error, 'a checkpoint or a part of the learner’s office failed; it is tried again');
    }
  };

  const open = async (): Promise<Opened> => {
    const home = openLearnerHome(deps.dir);
    const rows = openExperienceStore({ dir: home.dir });
    desk = createExperienceDesk(rows);
    const join = createExperienceJoin({
      blobs: store.blobs,
      featureSet: deps.featureSet,
      personal: deps.personal,
      profiles: deps.profiles,
      clock,
      desk,
      slotOf: (loop) => learners.slotOf(loop),
      challengersOf: (loop, decisionId) => learners.challengersOf(loop, decisionId),
      slotThere: (loop) => learners.own.get(loop) ?? null,
      erased,
      onDrift: (found) => tellDrift(logger, found),
    });
    const intended = new Set(rows.intended().map(({ blob }) => blob));
    const named = new Set<string>();
    const follower = log.follow([TOPICS.models, TOPICS.erasures], (record) => {
      try {
        follow(record);
        if (record.topic !== TOPICS.models) return;
        followed.set(record.partition, record.offset + 1);
        if (intended.size === 0) return;
        const { blob, checkpoint: shared } = modelCodec.decode(record.value);
        for (const one of [blob, shared]) if (one !== null && intended.has(one)) named.add(one);
      } catch (error) {
        failed(error, 'a model or erasure record cannot be read');
      }
    });
    await follower.caughtUp;
    intended.clear();
    const { createLearner, restoreLearner } = deps;
    const places = { log, blobs: store.blobs, dir: home.dir, rows, desk, join, board, learners };
    const restored = await restoreRole({ ...places, createLearner, restoreLearner, named, clock, ttlDays, logger });
    ({ sequence, deposed } = restored);
    Object.assign(offsets, restored.offsets);
    metrics.missed = restored.missed;
    return { home, rows, join, follower, catchingUp: await watchCatchingUp(log, clock()) };
  };

  const close = async (): Promise<void> => {
    hearLoss();
    if (opened === undefined) return;
    const { home, rows, follower } = opened;
    opened = undefined;
    consumer = undefined;
    lease = undefined;
    inOffice = false;
    await follower.stop();
    await rows.close();
    home.close();
  };

  return {
    name: 'learn',
    get group() {
      return group;
    },
    loops: () => [...learners.own.keys()],
    checkpoint: () => inTurn(checkpoint),
    publish: () =>
      inTurn(async () => {
        for (const slot of learners.all()) if (slot.dirty && inOffice) await publisher.publish(slot);
      }),
    share: () => inTurn(() => publisher.share(offsets, learners.own.values(), learners.caughtUp())),
    metrics: () => ({
      ...opened?.join.metrics,
      ...metrics,
      ...publisher.metrics,
      ...driftMetrics(learners.own.values()),
      loops: learners.own.size,
      challengers: learners.challengers.size,
      inHand: desk.size,
      experiences: learners.experiences(),
      isLearner: inOffice ? 1 : 0,
    }),
    async start() {
      if (opened !== undefined) return;
      startedAt = clock();
      opened = await open();
      hearLoss = store.onLoss(async () => {
        board.doubtBlobs();
        for (const slot of learners.all()) slot.dirty = true;
      });
      await inTurn(tick);
      group = (deps.groupOf ?? groupOfHome)(opened.home);
      consumer = log.consume({
        group,
        topics: TOPICS_LEARNED,
        startAt: (topic, partition) => offsets[offsetKey({ topic, partition })] ?? 0,
        onBatch: ({ records }) => onBatch(records),
        onError: (error) => failed(error, 'a batch of learn failed; it comes again'),
      });
      ticker = setInterval(() => void beat(), Math.min(25, publishEveryMs));
    },
    async stop() {
      if (opened === undefined) return;
      clearInterval(ticker);
      await consumer?.stop();
      await inTurn(tick);
      await inTurn(checkpoint);
      await lease?.stop();
      await close();
    },
    async abandon() {
      clearInterval(ticker);
      lease?.abandon();
      await consumer?.stop();
      await work;
      await close();
    },
  };
};
