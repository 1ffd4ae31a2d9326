/** Joins the log's decisions and rewards to rows, and teaches the loop's learner what a row has come to. */
import { TOPICS, customerKeyFromBytes, decisionCodec, rewardCodec } from '#contracts';
import type { Clock, CustomerKey, Decision, Experience, Reward } from '#contracts';
import type { LogRecord } from '#event-log';
import { featureSetByFingerprint, fingerprintOf, loadFeatureSet, withoutPersonal } from '#feature-store';
import type { FeatureSet, FeatureStore } from '#feature-store';
import type { FieldDrift, Learner } from '#models';
import { learnRow, noteReward } from './apply-reward.ts';
import type { ExperienceDesk } from './experience-desk.ts';
import { experienceOf } from './experience-of.ts';
import type { ProfileOf } from './experience-of.ts';
import type { ExperienceRow, LearnedRow } from './experience-store.ts';
import type { LearnerSlot } from './learner-slot.ts';

export interface ExperienceJoinDeps {
  readonly blobs: FeatureStore['blobs'];
  readonly featureSet: () => FeatureSet;
  /** Names that no model sees. */
  readonly personal: () => ReadonlySet<string>;
  readonly profiles: (catalogVersion: string) => Promise<ProfileOf | null>;
  readonly clock: Clock;
  readonly desk: ExperienceDesk;
  /** Who else learns of this decision in the slot's loop. */
  readonly challengersOf: (loop: string, decisionId: string) => readonly LearnerSlot[];
  /** Makes one for a new loop; null when there are too many. */
  readonly slotOf: (loop: string) => Promise<LearnerSlot | null>;
  /** Only what is there already. */
  readonly slotThere: (loop: string) => LearnerSlot | null;
  readonly erased: ReadonlyMap<CustomerKey, number>;
  /** Where a slot is watched and something has changed. */
  readonly onDrift?: (found: FoundDrift) => void;
}

export interface FoundDrift {
  readonly slot: LearnerSlot;
  /** Of the inputs; empty: it is the rewards. */
  readonly fields: readonly FieldDrift[];
}

export interface ExperienceJoin {
  /** `done` is called in the same breath in which row and statistics change, so that a checkpoint sees all of it or none. */
  apply(record: LogRecord, done: () => void): Promise<void>;
  /** The row as `apply` would leave it, where the learner knows the record already. */
  rebuild(record: LogRecord): Promise<void>;
  /** Teaches a new learner all that the rows hold. Returns how many slots. */
  relearn(learner: Learner, rows: Iterable<ExperienceRow>): Promise<number>;
  /** What `teach` needs of a decision's catalog and feature definitions; null: they are not to be had. */
  prepare(decision: Decision): Promise<ProfileOf | null>;
  /** Teaches a learner what the row's slots have come to. Returns how many slots. */
  teach(learner: Learner, row: ExperienceRow, decision: Decision, profileOf: ProfileOf): number;
  readonly metrics: Readonly<Record<string, number>>;
}

const NOTHING = Buffer.alloc(0);
/** Each of them is taught the same. */
const together = (slots: readonly LearnerSlot[]): Pick<Learner, 'learnShown' | 'correct'> => ({
  learnShown(experience, target) {
    for (const { learner } of slots) learner.learnShown(experience, target);
  },
  correct(experience, oldTarget, newTarget) {
    for (const { learner } of slots) learner.correct(experience, oldTarget, newTarget);
  },
});

/** Scored without a model: there was no prediction. */
const PRIORS = 'priors';
/** Stands for one that learned it all before. */
const KNOWS_ALREADY = { learnShown: () => {}, correct: () => {} };

export const createExperienceJoin = (deps: ExperienceJoinDeps): ExperienceJoin => {
  const { blobs, clock, desk, erased } = deps;
  const profiles = new Map<string, ProfileOf>();
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
    rebuilt: 0,
    lagMs: 0,
  };

  const isErased = (key: CustomerKey, takenAtMs: number): boolean => takenAtMs <= (erased.get(key) ?? -1);

  const prepare = async (decision: Decision): Promise<ProfileOf> => {
    const current = deps.featureSet();
    await loadFeatureSet(blobs, current, decision.featureSet);
    if (decision.state.length > 0) await loadFeatureSet(blobs, current, fingerprintOf(decision.state));
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
  const prepareOrNull = async (decision: Decision): Promise<ProfileOf | null> => {
    try {
      return await prepare(decision);
    } catch (error) {
      if ((error as { retriable?: boolean }).retriable === true && (error as { code?: string }).code !== 'feature-set.unknown') throw error;
      return null;
    }
  };

  const sourcesOf = (profileOf: ProfileOf) => ({ featureSet: deps.featureSet(), personal: deps.personal(), profileOf });
  /** What `bring` has taught last. */
  let joined: Experience | null = null;
  const bring = (
    learner: Pick<Learner, 'learnShown' | 'correct'>,
    rows: Map<number, LearnedRow>,
    rank: number,
    decision: Decision,
    profileOf: ProfileOf,
  ) => learnRow(rows, rank, learner, () => (joined = experienceOf(decision, rank, sourcesOf(profileOf))));
  const learn = (slot: LearnerSlot, rows: Map<number, LearnedRow>, rank: number, decision: Decision, profileOf: ProfileOf): void => {
    const slots = [slot, ...deps.challengersOf(decision.loop, decision.decisionId.toString('hex'))];
    const what = bring(slots.length === 1 ? slot.learner : together(slots), rows, rank, decision, profileOf);
    metrics[what]++;
    if (what === 'learned' || what === 'corrected') for (const taught of slots) taught.dirty = taught.unsolved = true;
    if (what !== 'learned' || joined === null) return;
    const fields = slot.drift?.input(joined.request) ?? [];
    if (fields.length > 0) deps.onDrift?.({ slot, fields });
  };

  const teach = (learner: Learner, rows: ExperienceRow['rows'], decision: Decision, profileOf: ProfileOf): number => {
    let learnt = 0;
    for (const [rank, { learned }] of rows) {
      const experience = learned === null ? null : experienceOf(decision, rank, sourcesOf(profileOf));
      if (experience === null) continue;
      learner.learnShown(experience, learned!);
      learnt++;
    }
    return learnt;
  };

  /** Only what is final: every slot begins as a 0, and what is still open would look like a fall. */
  const watchReward = (slot: LearnerSlot, decision: Decision, reward: Reward): void => {
    const { drift } = slot;
    const served = decision.chosen.find(({ rank }) => rank === reward.rank);
    if (drift === null || !reward.matured || reward.target === null || served === undefined || decision.modelVersion === PRIORS) return;
    if (drift.outcome(reward.actionId, served.propensity, reward.target)) deps.onDrift?.({ slot, fields: [] });
  };

  /** Null: it teaches nothing. */
  const rowOfDecision = async (record: LogRecord) => {
    const decision = decisionCodec.decode(record.value);
    const key = customerKeyFromBytes(decision.customerKey);
    // What waited in an outbox was taken long before the log had it.
    const takenAtMs = Math.min(record.timestampMs, decision.decidedAt);
    if (decision.chosen.length === 0 || isErased(key, takenAtMs)) return null;
    const profileOf = await prepareOrNull(decision);
    const fill = () => {
      const row = desk.row(decision.decisionId.toString('hex'));
      // Without definitions a state cannot be told from what is personal in it: then the row does without it.
      row.decision = decisionCodec.encode(
        profileOf === null ? { ...decision, subjectId: null, state: NOTHING } : withoutPersonal(decision, deps.featureSet()),
      );
      row.customerKey = key;
      return row;
    };
    return { decision, profileOf, fill };
  };
  const rowOfReward = async (record: LogRecord) => {
    const reward = rewardCodec.decode(record.value);
    if (isErased(customerKeyFromBytes(reward.customerKey), record.timestampMs)) return null;
    const id = reward.decisionId.toString('hex');
    const bytes = desk.row(id).decision;
    const decision = bytes === null ? null : decisionCodec.decode(bytes);
    return { reward, decision, profileOf: decision === null ? null : await prepareOrNull(decision), row: () => desk.row(id) };
  };

  const applyDecision = async (record: LogRecord, done: () => void): Promise<void> => {
    metrics.decisions++;
    const found = await rowOfDecision(record);
    if (found === null) return done();
    const { decision, profileOf, fill } = found;
    const slot = await deps.slotOf(decision.loop);
    const row = fill();
    if (slot !== null && profileOf !== null) for (const rank of row.rows.keys()) learn(slot, row.rows, rank, decision, profileOf);
    done();
  };
  const applyReward = async (record: LogRecord, done: () => void): Promise<void> => {
    metrics.rewards++;
    metrics.lagMs = Math.max(0, clock() - record.timestampMs);
    const found = await rowOfReward(record);
    if (found === null) return done();
    const { reward, decision, profileOf } = found;
    const slot = await deps.slotOf(reward.loop);
    // From here on nothing waits.
    const row = found.row();
    if (!noteReward(row.rows, reward)) metrics.repeated++;
    else if (slot === null) metrics.refusedLoops++;
    else if (decision === null) metrics.early++;
    else if (profileOf === null) metrics.unjoinable++;
    else {
      learn(slot, row.rows, reward.rank, decision, profileOf);
      for (const taught of [slot, ...deps.challengersOf(reward.loop, reward.decisionId.toString('hex'))])
        taught.watermark = Math.max(taught.watermark, record.timestampMs);
      watchReward(slot, decision, reward);
    }
    done();
  };

  const rebuildDecision = async (record: LogRecord): Promise<void> => {
    const found = await rowOfDecision(record);
    if (found === null) return;
    const row = found.fill();
    if (found.profileOf === null || deps.slotThere(found.decision.loop) === null) return;
    for (const rank of row.rows.keys()) bring(KNOWS_ALREADY, row.rows, rank, found.decision, found.profileOf);
  };
  const rebuildReward = async (record: LogRecord): Promise<void> => {
    const found = await rowOfReward(record);
    if (found === null) return;
    const row = found.row();
    if (!noteReward(row.rows, found.reward) || found.decision === null || found.profileOf === null) return;
    if (deps.slotThere(found.reward.loop) !== null) bring(KNOWS_ALREADY, row.rows, found.reward.rank, found.decision, found.profileOf);
  };

  return {
    metrics,
    apply: (record, done) => (record.topic === TOPICS.decisions ? applyDecision(record, done) : applyReward(record, done)),
    rebuild(record) {
      metrics.rebuilt++;
      return record.topic === TOPICS.decisions ? rebuildDecision(record) : rebuildReward(record);
    },
    async relearn(learner, rows) {
      let learnt = 0;
      for (const { decision: bytes, rows: of } of rows) {
        const decision = decisionCodec.decode(bytes!);
        if (decision.loop !== learner.loop) continue;
        const profileOf = await prepareOrNull(decision);
        if (profileOf !== null) learnt += teach(learner, of, decision, profileOf);
      }
      return learnt;
    },
    prepare: prepareOrNull,
    teach: (learner, { rows }, decision, profileOf) => teach(learner, rows, decision, profileOf),
  };
};
