/** The role that learns: it joins decisions with their rewards, keeps one learner a loop, and publishes snapshots. */
import { HOUR_MS, DAY_MS, MINUTE_MS, TOPICS, customerKeyFromBytes, decisionCodec, erasureCodec, modelCodec, rewardCodec } from '#contracts';
import type { Clock, CustomerKey, Decision, ModelRecord, Topic } from '#contracts';
import type { Consumer, EventLog, Follower, LogRecord } from '#event-log';
import { featureSetByFingerprint, fingerprintOf, loadFeatureSet, withoutPersonal } from '#feature-store';
import type { FeatureSet, FeatureStore } from '#feature-store';
import type { Learner } from '#models';
import type { Logger, Role } from '../role.ts';
import { announce } from './announce.ts';
import { learnRow, noteReward } from './apply-reward.ts';
import { createExperienceDesk } from './experience-desk.ts';
import { experienceOf } from './experience-of.ts';
import type { ProfileOf } from './experience-of.ts';
import { openExperienceStore } from './experience-store.ts';
import type { ExperienceStore, LearnCheckpoint } from './experience-store.ts';
import { learnerFileName, readLearnerFile, removeOtherLearnerFiles, writeLearnerFile } from './learner-files.ts';

export interface LearnRoleDeps {
  readonly log: EventLog;
  readonly store: Pick<FeatureStore, 'blobs'>;
  /** Of its own: the join of decisions and rewards, and the learners' checkpoints. */
  readonly dir: string;
  /** '' makes the catalog's learner, any other name one of the caller's candidates. */
  readonly createLearner: (loop: string) => Learner | Promise<Learner>;
  readonly restoreLearner: (bytes: Uint8Array) => Learner | Promise<Learner>;
  readonly featureSet: () => FeatureSet;
  /** By catalog version; null when that catalog is gone, or not there yet. What is found is kept. */
  readonly profiles: (catalogVersion: string) => Promise<ProfileOf | null>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default 50: at most one snapshot a loop in this time; dear ones come more rarely, see `intervalAfter`. */
  readonly publishEveryMs?: number;
  /** Default 5,000. */
  readonly checkpointEveryMs?: number;
  /** Default 15: rows of older decisions are forgotten. */
  readonly ttlDays?: number;
  /** Default 32: loops of the callers' own candidates. */
  readonly maxLoops?: number;
}

interface Slot {
  readonly learner: Learner;
  /** Newest reward's append time that it has learned from. */
  watermark: number;
  /** Learned since the last snapshot. */
  dirty: boolean;
  publishedAt: number;
  publishMs: number;
  note: string;
}

/** What attune.models says of a version. */
interface Known {
  snapshot: number;
  blob: string | null;
  keptAt: number;
  announced: boolean;
}

const NOTHING = Buffer.alloc(0);
const SUPERSEDED_MS = 2 * MINUTE_MS;
const MAX_IN_HAND = 20_000;
/** A tenth of the time goes to publishing, but nobody waits longer than half a second for that, unless a snapshot costs more than 250 ms. */
const intervalAfter = (publishMs: number): number => Math.max(2 * publishMs, Math.min(500, 10 * publishMs));
const TOPICS_READ: readonly Topic[] = [TOPICS.decisions, TOPICS.rewards];

export interface LearnRole extends Role {
  loops(): readonly string[];
  /** Now, and not when its time comes. */
  checkpoint(): Promise<void>;
  publish(): Promise<void>;
  /** Stops as a killed process would, without a last checkpoint: for tests of just that. */
  abandon(): Promise<void>;
}

export const createLearnRole = (deps: LearnRoleDeps): LearnRole => {
  const { log, store, dir, clock, logger, publishEveryMs = 50, checkpointEveryMs = 5_000, ttlDays = 15, maxLoops = 32 } = deps;
  const metrics = {
    decisions: 0,
    rewards: 0,
    learned: 0,
    corrected: 0,
    unchanged: 0,
    repeated: 0,
    early: 0,
    unjoinable: 0,
    refusedLoops: 0,
    snapshots: 0,
    checkpoints: 0,
    checkpointMs: 0,
    publishMs: 0,
    failures: 0,
    lagMs: 0,
    unreadable: 0,
  };
  const slots = new Map<string, Slot>();
  const known = new Map<string, Known>();
  const champions = new Map<string, string>();
  const erased = new Map<CustomerKey, number>();
  const profiles = new Map<string, ProfileOf>();
  const offsets: Record<string, number> = {};
  const superseded: { blob: string; atMs: number }[] = [];
  let rows: ExperienceStore | undefined;
  let desk = createExperienceDesk({ read: () => null });
  let sequence = 0;
  let checkpointed = 0;
  let swept = 0;
  let consumer: Consumer | undefined;
  let follower: Follower | undefined;
  let ticker: NodeJS.Timeout | undefined;
  let work: Promise<void> = Promise.resolve();

  const knownOf = (loop: string, version: string): Known => {
    const key = `${loop}/${version}`;
    let entry = known.get(key);
    if (entry === undefined) known.set(key, (entry = { snapshot: 0, blob: null, keptAt: 0, announced: false }));
    return entry;
  };

  const follow = (record: LogRecord): void => {
    if (record.topic === TOPICS.erasures) {
      const { customerKey, erasedAt } = erasureCodec.decode(record.value);
      const key = customerKeyFromBytes(customerKey);
      erased.set(key, Math.max(erasedAt, erased.get(key) ?? 0));
      desk.forget({ customerKey: key, erasedAtMs: erasedAt });
      return;
    }
    const model = modelCodec.decode(record.value);
    const entry = knownOf(model.loop, model.version);
    if (model.snapshot === 0) entry.announced = true;
    if (model.snapshot >= entry.snapshot && model.snapshot > 0)
      [entry.snapshot, entry.blob] = [model.snapshot, model.kept ? null : model.blob];
    if (model.kept) entry.keptAt = Math.max(entry.keptAt, model.at);
    if (model.role === 'champion') champions.set(model.loop, model.version);
    else if (champions.get(model.loop) === model.version && model.note !== '') champions.delete(model.loop);
  };

  const slotOf = async (loop: string): Promise<Slot | null> => {
    const slot = slots.get(loop);
    if (slot !== undefined) return slot;
    if (slots.size > maxLoops) return null;
    const learner = await deps.createLearner(loop);
    // Two partitions may ask at once; the first one's learner stays.
    const other = slots.get(loop);
    if (other !== undefined) return other;
    const made = slotFor(learner);
    slots.set(loop, made);
    return made;
  };
  const slotFor = (learner: Learner, watermark = 0): Slot => ({ learner, watermark, dirty: true, publishedAt: 0, publishMs: 0, note: '' });

  const prepare = async (decision: Decision): Promise<ProfileOf> => {
    const current = deps.featureSet();
    await loadFeatureSet(store.blobs, current, decision.featureSet);
    if (decision.state.length > 0) await loadFeatureSet(store.blobs, current, fingerprintOf(decision.state));
    featureSetByFingerprint(current, decision.featureSet);
    if (decision.ownCandidates !== null) return () => null;
    let profileOf = profiles.get(decision.catalogVersion);
    if (profileOf === undefined) {
      const found = await deps.profiles(decision.catalogVersion);
      // One that is not there yet is asked for again.
      if (found !== null) profiles.set(decision.catalogVersion, found);
      profileOf = found ?? (() => null);
    }
    return profileOf;
  };

  const apply = async (record: LogRecord): Promise<void> => {
    const offsetKey = `${record.topic}/${record.partition}`;
    const done = (): void => void (offsets[offsetKey] = record.offset + 1);
    if (record.topic === TOPICS.decisions) {
      const decision = decisionCodec.decode(record.value);
      metrics.decisions++;
      const key = customerKeyFromBytes(decision.customerKey);
      if (decision.chosen.length === 0 || isErased(key, record)) return done();
      const slot = await slotOf(decision.loop);
      const profileOf = await prepareOrNull(decision);
      const row = desk.row(decision.decisionId.toString('hex'));
      // Without definitions a state cannot be told from what is personal in it: then the row does without it.
      row.decision = decisionCodec.encode(
        profileOf === null ? { ...decision, subjectId: null, state: NOTHING } : withoutPersonal(decision, deps.featureSet()),
      );
      row.customerKey = key;
      if (slot !== null && profileOf !== null) for (const rank of row.rows.keys()) learn(slot, row.rows, rank, decision, profileOf);
      return done();
    }
    const reward = rewardCodec.decode(record.value);
    metrics.rewards++;
    metrics.lagMs = Math.max(0, clock() - record.timestampMs);
    if (isErased(customerKeyFromBytes(reward.customerKey), record)) return done();
    const id = reward.decisionId.toString('hex');
    const slot = await slotOf(reward.loop);
    const bytes = desk.row(id).decision;
    const decision = bytes === null ? null : decisionCodec.decode(bytes);
    const profileOf = decision === null ? null : await prepareOrNull(decision);
    // From here on nothing waits: row, statistics and offset change together, so a checkpoint sees all of it or none.
    const row = desk.row(id);
    if (!noteReward(row.rows, reward)) metrics.repeated++;
    else if (slot === null) metrics.refusedLoops++;
    else if (decision === null) metrics.early++;
    else if (profileOf === null) metrics.unjoinable++;
    else {
      learn(slot, row.rows, reward.rank, decision, profileOf);
      slot.watermark = Math.max(slot.watermark, record.timestampMs);
    }
    done();
  };

  const prepareOrNull = async (decision: Decision): Promise<ProfileOf | null> => {
    try {
      return await prepare(decision);
    } catch (error) {
      if ((error as { retriable?: boolean }).retriable === true && (error as { code?: string }).code !== 'feature-set.unknown') throw error;
      return null;
    }
  };

  const learn = (slot: Slot, learnedRows: Parameters<typeof learnRow>[0], rank: number, decision: Decision, profileOf: ProfileOf): void => {
    const what = learnRow(learnedRows, rank, slot.learner, () => experienceOf(decision, rank, deps.featureSet(), profileOf));
    metrics[what]++;
    if (what === 'learned' || what === 'corrected') slot.dirty = true;
  };

  const isErased = (key: CustomerKey, record: LogRecord): boolean => record.timestampMs <= (erased.get(key) ?? -1);

  const onBatch = async (records: readonly LogRecord[]): Promise<void> => {
    for (const record of records) {
      if (record.offset < (offsets[`${record.topic}/${record.partition}`] ?? 0)) continue;
      try {
        await apply(record);
      } catch (error) {
        if ((error as { code?: string }).code !== 'record.unreadable') throw error;
        // State has written the dead letter of a decision; a reward is our own and cannot be mended by waiting.
        metrics.unreadable++;
        offsets[`${record.topic}/${record.partition}`] = record.offset + 1;
      }
    }
    if (desk.size > MAX_IN_HAND) await inTurn(checkpoint);
  };

  const publishSlot = async (slot: Slot): Promise<void> => {
    const { learner } = slot;
    const entry = knownOf(learner.loop, learner.version);
    const startMs = performance.now();
    slot.dirty = false;
    const { watermark } = slot;
    // A crash forgets snapshots that were published after the checkpoint: their numbers are not given again.
    const publication = learner.publish(entry.snapshot);
    const blob = await store.blobs.put(publication.snapshotBlob);
    const at = clock();
    const kept = at - entry.keptAt >= HOUR_MS;
    const champion = champions.get(learner.loop) ?? learner.version;
    const record: ModelRecord = {
      loop: learner.loop,
      version: publication.version,
      snapshot: publication.snapshot,
      role: champion === publication.version ? 'champion' : 'previous',
      blob,
      at,
      experiences: publication.experiences,
      watermark,
      kept,
      note: slot.note,
      checkpoint: null,
    };
    const records: ModelRecord[] = [];
    if (!entry.announced) {
      const versionBlob = await store.blobs.put(publication.versionBlob, `model/${publication.version}`);
      records.push({ ...record, snapshot: 0, blob: versionBlob, kept: true });
    }
    records.push(record);
    await log.append(records.flatMap(announce));
    slot.note = '';
    if (entry.blob !== null && entry.blob !== blob) superseded.push({ blob: entry.blob, atMs: at });
    Object.assign(entry, { snapshot: publication.snapshot, blob: kept ? null : blob, keptAt: kept ? at : entry.keptAt, announced: true });
    slot.publishedAt = at;
    slot.publishMs = performance.now() - startMs;
    metrics.snapshots++;
    metrics.publishMs = slot.publishMs;
  };

  const removeSuperseded = async (): Promise<void> => {
    while (superseded.length > 0 && superseded[0]!.atMs < clock() - SUPERSEDED_MS) await store.blobs.remove(superseded.shift()!.blob);
  };

  const checkpoint = async (): Promise<void> => {
    if (rows === undefined) return;
    const startMs = performance.now();
    const taken = desk.take();
    const next: LearnCheckpoint = {
      sequence: ++sequence,
      epoch: log.epoch,
      offsets: { ...offsets },
      learners: [...slots.values()].map(({ learner, watermark }, index) => ({
        loop: learner.loop,
        version: learner.version,
        file: learnerFileName(sequence, index),
        watermark,
      })),
      superseded: [...superseded],
    };
    const files = [...slots.values()].map(({ learner }) => learner.checkpoint());
    try {
      for (const [index, bytes] of files.entries()) await writeLearnerFile(dir, next.learners[index]!.file, bytes);
      await rows.commit({ ...taken, checkpoint: next });
    } catch (error) {
      desk.restore(taken);
      throw error;
    }
    await removeOtherLearnerFiles(dir, new Set(next.learners.map(({ file }) => file)));
    metrics.checkpoints++;
    metrics.checkpointMs = performance.now() - startMs;
    checkpointed = clock();
  };

  const tick = async (): Promise<void> => {
    const nowMs = clock();
    for (const slot of slots.values()) {
      if (slot.dirty && nowMs - slot.publishedAt >= Math.max(publishEveryMs, intervalAfter(slot.publishMs))) await publishSlot(slot);
    }
    if (desk.size > 0 && nowMs - checkpointed >= Math.max(checkpointEveryMs, 10 * metrics.checkpointMs)) await checkpoint();
    if (nowMs - swept >= MINUTE_MS) {
      swept = nowMs;
      await rows!.sweep(nowMs - ttlDays * DAY_MS, 5_000);
      await removeSuperseded();
    }
  };

  /** One at a time: publishing, checkpoints and sweeps. */
  const inTurn = (task: () => Promise<void>): Promise<void> => {
    const turn = work.then(task);
    work = turn.catch(() => {});
    return turn;
  };
  const failed = (error: unknown, what: string): void => {
    metrics.failures++;
    logger.error({ err: error }, what);
  };

  /** Statistics as of the checkpoint; of another encoder than today's, they are learned again from the rows. */
  const restore = async (): Promise<void> => {
    const saved = rows!.checkpoint();
    if (saved !== null) {
      sequence = saved.sequence;
      superseded.push(...saved.superseded);
      if (saved.epoch === log.epoch) Object.assign(offsets, saved.offsets);
      for (const { loop, file, watermark } of saved.learners) {
        const learner = await deps.restoreLearner(await readLearnerFile(dir, file));
        slots.set(loop, { ...slotFor(learner, watermark), dirty: true });
      }
    }
    const fresh = await deps.createLearner('');
    const restored = slots.get('');
    if (restored?.learner.version === fresh.version) return;
    slots.set('', slotFor(fresh, restored?.watermark ?? 0));
    if (restored === undefined) return;
    const learnt = await relearn(fresh);
    const slot = slots.get('')!;
    slot.note = `attune: the encoder changed; learned again from ${learnt} rows`;
    await retire(restored.learner, slot.note);
    champions.set('', fresh.version);
    logger.info(
      { from: restored.learner.version, to: fresh.version, rows: learnt },
      'the encoder changed: a new model version learned from the kept rows',
    );
  };

  const relearn = async (learner: Learner): Promise<number> => {
    let learnt = 0;
    for (const { decision: bytes, rows: of } of rows!.scan()) {
      const decision = decisionCodec.decode(bytes!);
      if (decision.loop !== learner.loop) continue;
      const profileOf = await prepareOrNull(decision);
      if (profileOf === null) continue;
      for (const [rank, { learned }] of of) {
        const experience = learned === null ? null : experienceOf(decision, rank, deps.featureSet(), profileOf);
        if (experience === null) continue;
        learner.learnShown(experience, learned!);
        learnt++;
      }
    }
    return learnt;
  };

  const retire = async (learner: Learner, note: string): Promise<void> => {
    const entry = knownOf(learner.loop, learner.version);
    if (entry.blob === null && !entry.announced) return;
    const publication = learner.publish();
    const blob = await store.blobs.put(publication.snapshotBlob);
    const snapshot = Math.max(entry.snapshot + 1, publication.snapshot);
    const record: ModelRecord = {
      loop: learner.loop,
      version: learner.version,
      snapshot,
      role: 'previous',
      blob,
      at: clock(),
      experiences: learner.experiences,
      watermark: 0,
      kept: true,
      note,
      checkpoint: null,
    };
    await log.append(announce(record));
  };

  const close = async (): Promise<void> => {
    await follower?.stop();
    await rows?.close();
    rows = undefined;
    consumer = undefined;
  };

  return {
    name: 'learn',
    loops: () => [...slots.keys()],
    checkpoint: () => inTurn(checkpoint),
    publish: () => inTurn(async () => void (await Promise.all([...slots.values()].filter(({ dirty }) => dirty).map(publishSlot)))),
    metrics: () => ({
      ...metrics,
      loops: slots.size,
      inHand: desk.size,
      experiences: [...slots.values()].reduce((sum, { learner }) => sum + learner.experiences, 0),
    }),
    async start() {
      if (consumer !== undefined) return;
      rows = openExperienceStore({ dir });
      desk = createExperienceDesk(rows);
      follower = log.follow([TOPICS.models, TOPICS.erasures], (record) => {
        try {
          follow(record);
        } catch (error) {
          failed(error, 'a model or erasure record cannot be read');
        }
      });
      await follower.caughtUp;
      await restore();
      for (const slot of slots.values()) await publishSlot(slot);
      consumer = log.consume({
        group: 'learn',
        topics: TOPICS_READ,
        startAt: (topic, partition) => offsets[`${topic}/${partition}`] ?? 0,
        onBatch: ({ records }) => onBatch(records),
        onError: (error) => failed(error, 'a batch of learn failed; it comes again'),
      });
      ticker = setInterval(
        () => void inTurn(tick).catch((error: unknown) => failed(error, 'publishing or a checkpoint failed; it is tried again')),
        Math.min(25, publishEveryMs),
      );
    },
    async stop() {
      if (rows === undefined) return;
      clearInterval(ticker);
      await consumer?.stop();
      await inTurn(tick);
      await inTurn(checkpoint);
      await close();
    },
    async abandon() {
      clearInterval(ticker);
      await consumer?.stop();
      await work;
      await close();
    },
  };
};
