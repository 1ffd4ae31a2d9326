/**
 * The role that learns: it joins decisions with their rewards, keeps one learner a loop, and publishes snapshots.
 *
 * Every process with this role learns from all partitions, with offsets of its own beside its statistics (law 4). Only the one that holds the
 * lease speaks; the others are ready to go on in its place (docs/learning.md, docs/decisions/0015).
 */
import { AttuneError, DAY_MS, HOUR_MS, MINUTE_MS, TOPICS, customerKeyFromBytes, erasureCodec, modelCodec } from '#contracts';
import type { Clock, CustomerKey, ModelRecord } from '#contracts';
import type { Consumer, EventLog, Follower, LogRecord } from '#event-log';
import type { FeatureSet, FeatureStore } from '#feature-store';
import type { DriftWatch, Learner } from '#models';
import { keepLease } from '../lease/keep-lease.ts';
import type { KeptLease } from '../lease/keep-lease.ts';
import type { Logger, Role } from '../role.ts';
import { catchUpChallenger, caughtUpChallenger } from './challenger.ts';
import type { CatchingUpChallenger, Challenger } from './challenger.ts';
import { watchCatchingUp } from './catching-up.ts';
import type { CatchingUp } from './catching-up.ts';
import { driftMetrics, tellDrift } from './drift.ts';
import { createExperienceDesk } from './experience-desk.ts';
import { createExperienceJoin } from './experience-join.ts';
import type { ExperienceJoin } from './experience-join.ts';
import type { ProfileOf } from './experience-of.ts';
import { openExperienceStore } from './experience-store.ts';
import type { ExperienceStore, LearnCheckpoint } from './experience-store.ts';
import { learnerFileName, removeOtherLearnerFiles, writeLearnerFile } from './learner-files.ts';
import { openLearnerHome } from './learner-home.ts';
import type { LearnerHome } from './learner-home.ts';
import { slotFor } from './learner-slot.ts';
import type { LearnerSlot } from './learner-slot.ts';
import { createModelBoard } from './model-board.ts';
import { createPublisher } from './publisher.ts';
import { TOPICS_LEARNED, offsetKey, readBack, restoreLearners } from './restore-learners.ts';

const LEARNER_LEASE = 'learner';

export type HomeOfLearner = Pick<LearnerHome, 'id' | 'number'>;

/** For a log that only one machine reads: what the first home has not read, the log keeps (REQUIRED_GROUPS). */
const groupOfHome = ({ number }: HomeOfLearner): string => (number === 1 ? 'learn' : `learn-${number}`);
/** For a log that many machines read. Anew at each start: the group of a killed process keeps its partitions until the broker misses it. */
export const groupOfStart = ({ id }: HomeOfLearner): string => `learn.${id}.${Date.now().toString(36)}`;

export interface LearnRoleDeps {
  readonly log: EventLog;
  readonly store: Pick<FeatureStore, 'blobs' | 'leases' | 'mayLoseMs' | 'onLoss'>;
  /** Where the join of decisions and rewards and the learners' checkpoints live; a second process takes a directory beside it. */
  readonly dir: string;
  /**
   * The consumer group: no two may share one, since each learner reads everything. Default: `learn` for the first home and `learn-2` … for
   * the others, which suits a log that only one machine reads; else `groupOfStart`.
   */
  readonly groupOf?: (home: HomeOfLearner) => string;
  /** '' makes the catalog's learner, any other name one of the caller's candidates. */
  readonly createLearner: (loop: string) => Learner | Promise<Learner>;
  readonly restoreLearner: (bytes: Uint8Array) => Learner | Promise<Learner>;
  /** On a version that somebody else made: a trained trunk that challenges. Default: challengers are not learned here. */
  readonly createLearnerOf?: (versionBlob: Uint8Array) => Learner | Promise<Learner>;
  /** Absent: nobody watches for drift. */
  readonly createDriftWatch?: () => DriftWatch;
  readonly featureSet: () => FeatureSet;
  /** Names that no model sees (personalNamesOf). */
  readonly personal: () => ReadonlySet<string>;
  /** By catalog version; null when that catalog is gone, or not there yet. What is found is kept. */
  readonly profiles: (catalogVersion: string) => Promise<ProfileOf | null>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default 50: at most one snapshot a loop in this time; dear ones come more rarely, see `intervalAfter`. */
  readonly publishEveryMs?: number;
  /** Default 5,000. */
  readonly checkpointEveryMs?: number;
  /** Default an hour: how much a machine without files of its own has to learn again. */
  readonly shareEveryMs?: number;
  /** Default 4,000: publishing resumes within 4/3 of this after the holder died. */
  readonly leaseMs?: number;
  /** Default 15: rows of older decisions are forgotten. */
  readonly ttlDays?: number;
  /** Default 32: loops of the callers' own candidates. */
  readonly maxLoops?: number;
}

const MAX_IN_HAND = 20_000;
/** A tenth of the time goes to publishing, but nobody waits longer than half a second for that, unless a snapshot costs more than 250 ms. */
const intervalAfter = (publishMs: number): number => Math.max(2 * publishMs, Math.min(500, 10 * publishMs));
/** Of those that are not the champion: fresh enough to take its place at any moment. */
const RIVALS_PUBLISH_EVERY_MS = 2_000;
/** A standby solves too, although nobody sees it: means start from the last ones, and a first solution in one step would be a poor one. */
const STANDBY_SOLVES_EVERY_MS = 2_000;
/** The first shared checkpoint does not wait for an hour. */
const FIRST_SHARE_MS = MINUTE_MS;
/** What others replaced is theirs to remove; it is kept in mind this long, should they die before they did. */
const OTHERS_REMOVE_MS = 10 * MINUTE_MS;
const AFTER_FAILURE_MS = 500;
/** Of a tick, for a challenger that is catching up. */
const CATCH_UP_MS = 15;
/** Of one loop: each costs what the loop's own learner costs. */
const MAX_CHALLENGERS = 3;

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
  const slots = new Map<string, LearnerSlot>();
  /** By version: trained trunks that learn beside the loops' own learners, as challengers or as champions. */
  const challengers = new Map<string, Challenger | CatchingUpChallenger>();
  /** Versions that cannot be learned here. */
  const unlearnable = new Set<string>();
  const erased = new Map<CustomerKey, number>();
  const offsets: Record<string, number> = {};
  const board = createModelBoard();
  /** Next offset of attune.models by partition, as far as it was followed. */
  const followed = new Map<number, number>();
  /** Blobs of which the log speaks, among those that an earlier life was about to put. */
  const watched = new Set<string>();
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
  let deposed: { readonly version: string; readonly note: string } | null = null;
  let consumer: Consumer | undefined;
  let group = 'learn';
  let ticker: NodeJS.Timeout | undefined;
  let hearLoss = (): void => {};
  let work: Promise<void> = Promise.resolve();

  const mayPublish = (): boolean => lease?.held === true;
  const publisher = createPublisher({ log, store, board, clock, mayPublish, intend: (blobs) => opened?.rows.intend(blobs) });

  const slotOfLearner = (learner: Learner, watermark = 0): LearnerSlot => slotFor(learner, watermark, deps.createDriftWatch?.() ?? null);

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
    for (const slot of [...slots.values(), ...caughtUp()]) if (slot.learner.loop === loop) slot.dirty = true;
  };

  /** Another learner spoke, or an operator about an old snapshot: the last word on what is learned here must be ours, or not be ours at all. */
  const answer = (model: ModelRecord, posted: number): void => {
    const slot = [slots.get(model.loop), challengers.get(model.version)?.slot].find((one) => one?.learner.version === model.version);
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

  const slotOf = async (loop: string): Promise<LearnerSlot | null> => {
    const slot = slots.get(loop);
    if (slot !== undefined) return slot;
    if (slots.size > maxLoops) return null;
    const learner = await deps.createLearner(loop);
    // Two partitions may ask at once; the first one's learner stays.
    const other = slots.get(loop);
    if (other !== undefined) return other;
    const made = slotOfLearner(learner);
    slots.set(loop, made);
    return made;
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
    const taken = desk.take();
    const next: LearnCheckpoint = {
      sequence: ++sequence,
      epoch: log.epoch,
      offsets: { ...offsets },
      learners: [...slots.values(), ...caughtUp()].map(({ learner, watermark }, index) => ({
        loop: learner.loop,
        version: learner.version,
        file: learnerFileName(sequence, index),
        watermark,
        ...(index >= slots.size && { challenger: true }),
      })),
      superseded: board.superseded(),
      atMs: clock(),
    };
    const files = [...slots.values(), ...caughtUp()].map(({ learner }) => learner.checkpoint());
    try {
      for (const [index, bytes] of files.entries()) await writeLearnerFile(home.dir, next.learners[index]!.file, bytes);
      await rows.commit({ ...taken, checkpoint: next });
    } catch (error) {
      desk.restore(taken);
      throw error;
    }
    await removeOtherLearnerFiles(home.dir, new Set(next.learners.map(({ file }) => file)));
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
        board.crown('', slots.get('')!.learner.version, clock());
      }
      deposed = null;
    }
    for (const slot of [...slots.values(), ...caughtUp()]) slot.dirty = true;
    logger.info({ experiences: experiences() }, 'this process is the learner now');
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
    if (inOffice) await publishDue(nowMs);
    else await solveQuietly(nowMs);
    if (desk.size > 0 && nowMs - checkpointed >= Math.max(checkpointEveryMs, 10 * metrics.checkpointMs)) await checkpoint();
    if (inOffice && nowMs - Math.max(publisher.sharedAt, startedAt - shareEveryMs + Math.min(FIRST_SHARE_MS, shareEveryMs)) >= shareEveryMs)
      await publisher.share(offsets, slots.values(), caughtUp());
    if (nowMs - swept >= MINUTE_MS) {
      swept = nowMs;
      await opened!.rows.sweep(nowMs - ttlDays * DAY_MS, 5_000);
      if (inOffice) await publisher.removeSuperseded();
      else for (const { blob, atMs } of board.superseded()) if (atMs < nowMs - OTHERS_REMOVE_MS) board.removed(blob);
    }
  };
  const caughtUp = (): LearnerSlot[] => [...challengers.values()].flatMap((one) => (one.caughtUp ? [one.slot] : []));
  const challengersOf = (loop: string, decisionId: string): LearnerSlot[] => {
    if (challengers.size === 0) return [];
    return [...challengers.values()].flatMap((one) => (one.slot.learner.loop === loop && one.hasReached(decisionId) ? [one.slot] : []));
  };

  /** Whoever is announced and not yet learned is taken on; who retired is let go; who is behind catches up. */
  const seekChallengers = async (): Promise<void> => {
    for (const [version, { slot }] of challengers) if (board.role(slot.learner.loop, version) === 'retired') challengers.delete(version);
    if (deps.createLearnerOf !== undefined) for (const root of board.contenders()) await takeOn(root, deps.createLearnerOf);
    for (const one of challengers.values()) {
      if (one.caughtUp || !('step' in one)) continue;
      await one.step(CATCH_UP_MS);
      if (!one.caughtUp) continue;
      const { loop, version, experiences: learned } = one.slot.learner;
      one.slot.dirty = true;
      logger.info({ loop, version, experiences: learned }, 'a challenger has caught up and is published');
    }
  };
  const takeOn = async (
    { loop, version, role, blob }: ModelRecord,
    createLearnerOf: NonNullable<LearnRoleDeps['createLearnerOf']>,
  ): Promise<void> => {
    if (challengers.has(version) || unlearnable.has(version) || slots.get(loop)?.learner.version === version) return;
    const rivals = [...challengers.values()].filter(({ slot }) => slot.learner.loop === loop);
    try {
      const { posterior, posteriorUntil } = board.posted(loop, version).origin;
      // Model zero of another encoder, which has stepped back or is about to.
      if (posterior === null && role !== 'challenger') return void unlearnable.add(version);
      if (rivals.length >= MAX_CHALLENGERS) {
        unlearnable.add(version);
        logger.warn(
          { loop, version, limit: MAX_CHALLENGERS },
          'too many challengers: this one is not learned until the process starts again',
        );
        return;
      }
      const bytes = await store.blobs.get(posterior ?? blob);
      if (bytes === null)
        throw new AttuneError('model.missing', `blob ${posterior ?? blob} of model ${version} is not in the feature store`);
      const learner = posterior === null ? await createLearnerOf(bytes) : await deps.restoreLearner(bytes);
      const { rows, join } = opened!;
      challengers.set(version, catchUpChallenger(learner, posteriorUntil, { rows, desk: () => desk, join }));
      logger.info({ loop, version, experiences: learner.experiences }, 'a challenger is learned from here on, and first catches up');
    } catch (error) {
      if ((error as { retriable?: boolean }).retriable === true) throw error;
      unlearnable.add(version);
      failed(error, 'a challenger cannot be learned');
    }
  };

  const isDue = ({ publishedAt, failedAt }: LearnerSlot, everyMs: number, nowMs: number): boolean =>
    nowMs - publishedAt >= everyMs && nowMs - failedAt >= Math.max(everyMs, AFTER_FAILURE_MS);
  /**
   * One that fails is tried again when it is next due. The others come at the next tick, the longest waiting first, behind the checkpoint:
   * where the engines do not answer, that waits for one publication and not for one a loop.
   */
  const publishDue = async (nowMs: number): Promise<void> => {
    if (publisher.hasNews) slots.get('')!.dirty = true;
    const due = [...slots.values(), ...caughtUp()].filter((slot) => {
      const { loop, version } = slot.learner;
      const everyMs = board.champion(loop) === version ? publishEveryMs : Math.max(publishEveryMs, RIVALS_PUBLISH_EVERY_MS);
      return slot.dirty && isDue(slot, Math.max(everyMs, intervalAfter(slot.publishMs)), nowMs);
    });
    for (const slot of due.toSorted((a, b) => Math.max(a.publishedAt, a.failedAt) - Math.max(b.publishedAt, b.failedAt)))
      if (!(await tryOn(slot, 'published', () => publisher.publish(slot)))) return;
  };
  const solveQuietly = async (nowMs: number): Promise<void> => {
    for (const slot of [...slots.values(), ...caughtUp()]) {
      const everyMs = Math.max(STANDBY_SOLVES_EVERY_MS, 10 * slot.publishMs);
      if (!slot.unsolved || nowMs - Math.max(slot.solvedAt, slot.failedAt) < everyMs) continue;
      await tryOn(slot, 'solved for', () => {
        const startMs = performance.now();
        slot.learner.publish();
        slot.unsolved = false;
        slot.solvedAt = nowMs;
        slot.publishMs = performance.now() - startMs;
      });
    }
  };
  /** False: it failed, and is reported. */
  const tryOn = async (slot: LearnerSlot, what: string, task: () => Promise<void> | void): Promise<boolean> => {
    try {
      await task();
      slot.failedAt = 0;
      return true;
    } catch (error) {
      slot.failedAt = clock();
      const { loop, version } = slot.learner;
      failed(error, `a learner could not be ${what}; it is tried again when it is next due`, { loop, version });
      return false;
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
  const failed = (error: unknown, what: string, of: object = {}): void => {
    metrics.failures++;
    logger.error({ ...of, err: error }, what);
  };
  const experiences = (): number => [...slots.values()].reduce((sum, { learner }) => sum + learner.experiences, 0);

  const restore = async (home: LearnerHome, rows: ExperienceStore, join: ExperienceJoin): Promise<void> => {
    const saved = rows.checkpoint();
    sequence = saved?.sequence ?? 0;
    if (saved === null) rows.clear();
    const restoring = { log, blobs: store.blobs, dir: home.dir, restoreLearner: deps.restoreLearner, logger };
    const restored = await restoreLearners(restoring, saved, board.shared);
    Object.assign(offsets, restored.offsets);
    for (const { learner, watermark, challenger } of restored.learners) {
      if (challenger) {
        const { posteriorUntil } = board.posted(learner.loop, learner.version).origin;
        challengers.set(learner.version, caughtUpChallenger(learner, watermark, posteriorUntil));
      } else slots.set(learner.loop, slotOfLearner(learner, watermark));
    }
    metrics.missed = restored.missed;
    if (restored.missed > 0)
      logger.warn(
        { records: restored.missed },
        'the log no longer reaches back to what was learned last; these decisions and rewards are never learned from',
      );
    if (restored.from === 'shared checkpoint') {
      await readBack({ log, clock, ttlDays }, restored.offsets, async (record) => {
        await join.rebuild(record).catch((error: unknown) => {
          if ((error as { code?: string }).code !== 'record.unreadable') throw error;
        });
        if (desk.size > MAX_IN_HAND) await rows.commit({ ...desk.take(), checkpoint: null });
      });
    }
    adoptSuperseded(rows, saved);
    await renewCatalogsLearner(rows, join);
  };

  /** The board has read all that the log tells; what an earlier life removed is no longer to be removed, what it intended belongs to nobody. */
  const adoptSuperseded = (rows: ExperienceStore, saved: LearnCheckpoint | null): void => {
    const since = (saved?.atMs ?? 0) - MINUTE_MS;
    for (const { blob, atMs } of board.superseded()) if (atMs < since) board.removed(blob);
    for (const entry of saved?.superseded ?? []) board.supersede({ ...entry, kind: entry.kind ?? 'snapshot' });
    for (const intended of rows.intended()) if (!watched.has(intended.blob)) board.supersede({ ...intended, atMs: clock() });
  };
  /** Statistics of another encoder than today's are learned again from the rows. */
  const renewCatalogsLearner = async (rows: ExperienceStore, join: ExperienceJoin): Promise<void> => {
    const fresh = await deps.createLearner('');
    const before = slots.get('');
    if (before?.learner.version === fresh.version) return;
    slots.set('', slotOfLearner(fresh, before?.watermark));
    if (before === undefined) return;
    if (desk.size > 0) await rows.commit({ ...desk.take(), checkpoint: null });
    const learnt = await join.relearn(fresh, rows.scan());
    const note = `attune: the encoder changed; learned again from ${learnt} rows`;
    slots.get('')!.note = note;
    deposed = { version: before.learner.version, note };
    logger.info(
      { from: before.learner.version, to: fresh.version, rows: learnt },
      'the encoder changed: a new model version learned from the kept rows',
    );
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
      slotOf,
      challengersOf,
      slotThere: (loop) => slots.get(loop) ?? null,
      erased,
      onDrift: (found) => tellDrift(logger, found),
    });
    const intended = new Set(rows.intended().map(({ blob }) => blob));
    const follower = log.follow([TOPICS.models, TOPICS.erasures], (record) => {
      try {
        follow(record);
        if (record.topic !== TOPICS.models) return;
        followed.set(record.partition, record.offset + 1);
        if (intended.size === 0) return;
        const { blob, checkpoint: shared } = modelCodec.decode(record.value);
        for (const named of [blob, shared]) if (named !== null && intended.has(named)) watched.add(named);
      } catch (error) {
        failed(error, 'a model or erasure record cannot be read');
      }
    });
    await follower.caughtUp;
    intended.clear();
    await restore(home, rows, join);
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
    loops: () => [...slots.keys()],
    checkpoint: () => inTurn(checkpoint),
    publish: () =>
      inTurn(async () => {
        for (const slot of [...slots.values(), ...caughtUp()]) if (slot.dirty && inOffice) await publisher.publish(slot);
      }),
    share: () => inTurn(() => publisher.share(offsets, slots.values(), caughtUp())),
    metrics: () => ({
      ...opened?.join.metrics,
      ...metrics,
      ...publisher.metrics,
      ...driftMetrics(slots.values()),
      loops: slots.size,
      challengers: challengers.size,
      inHand: desk.size,
      experiences: experiences(),
      isLearner: inOffice ? 1 : 0,
    }),
    async start() {
      if (opened !== undefined) return;
      startedAt = clock();
      opened = await open();
      hearLoss = store.onLoss(async () => {
        board.doubtBlobs();
        for (const slot of [...slots.values(), ...caughtUp()]) slot.dirty = true;
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
