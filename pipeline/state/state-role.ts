/** The role that owns customers: it alone folds, attributes and commits their state. */
import {
  STATE_INPUTS,
  TOPICS,
  customerKeyFromBytes,
  customerKeyOfDecision,
  customerKeyToBytes,
  deadLetterCodec,
  decisionIdToBytes,
  erasureCodec,
  partitionOf,
} from '#contracts';
import type { Clock, CustomerKey, Erasure } from '#contracts';
import type { Consumer, EventLog, Follower, LogRecord } from '#event-log';
import {
  decodeState,
  encodeErasureMark,
  erasureMarkKey,
  fingerprintOf,
  isMarkedErased,
  loadFeatureSet,
  positionPrefixOf,
  publishFeatureSet,
  recordKindOf,
} from '#feature-store';
import type { FeatureSet, FeatureStore, StateCommit, StateWrite } from '#feature-store';
import type { Rewards } from '../rewards/rewards.ts';
import type { Logger, Role } from '../role.ts';
import type { StateFacts } from './context.ts';
import type { OutreachDesk, OutreachRules } from './outreach-desk.ts';
import { createRebuildGate, isOfRebuild } from './rebuild-gate.ts';
import { createStateMetrics } from './metrics.ts';
import type { StateMetrics } from './metrics.ts';
import { DEFAULT_BATCH, processBatch } from './process-batch.ts';
import { timerEvent } from './timer-event.ts';

/** The parts of a project that state needs. */
export interface StateProject {
  readonly featureSet: FeatureSet;
  readonly rewards: Rewards;
  /** The catalog's group of an action, null when the catalog does not name it. */
  readonly actionGroup: (actionId: string) => string | null;
  /** Absent: nothing is triggered and Attune delivers nothing. */
  readonly outreach?: OutreachRules;
}

export interface StateRoleDeps {
  readonly log: EventLog;
  readonly store: FeatureStore;
  readonly project: StateProject;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default 'state'. A rebuild into an empty store takes a group of its own, and is silent. */
  readonly group?: string;
  /** Folds and emits nothing: no rewards, no dead letters, no timer events. */
  readonly silent?: boolean;
  /** What decides and judges outbound messages at this moment. Absent: nobody is reached out to. */
  readonly desk?: () => OutreachDesk;
  /** Default 250. */
  readonly timerPollMs?: number;
  /** Upper bound of records in a batch. Default DEFAULT_BATCH. */
  readonly maxRecords?: number;
  /** Between the append of outputs and the commit: for fault tests. */
  readonly beforeCommit?: () => Promise<void>;
  /** How often it looks whether a rebuild is under way. Default 1 s. */
  readonly rebuildPollMs?: number;
}

export interface StateRole extends Role {
  readonly counters: StateMetrics;
  /** A reloaded project, from the next batch on. */
  replaceProject(project: StateProject): Promise<void>;
}

export const createStateRole = (deps: StateRoleDeps): StateRole => {
  const { log, store, clock, logger, group = 'state', silent = false, timerPollMs = 250, maxRecords = DEFAULT_BATCH } = deps;
  const metrics = createStateMetrics();
  const erased = new Map<CustomerKey, number>();
  const turns = createTurns();
  let facts: StateFacts = deps.project;
  let consumer: Consumer | undefined;
  let eraser: Consumer | undefined;
  let follower: Follower | undefined;
  let deafToLoss: (() => void) | undefined;
  let poll: NodeJS.Timeout | undefined;
  let polling: Promise<void> = Promise.resolve();
  const fired = new Map<string, number>();
  const gate = createRebuildGate({
    leases: store.leases,
    logger,
    everyMs: deps.rebuildPollMs,
    async onChange() {
      await Promise.all([consumer?.rewind(), eraser?.rewind()]);
      fired.clear();
    },
  });

  const batchDeps = {
    log,
    store,
    facts: () => facts,
    clock,
    metrics,
    erasedAt: (key: CustomerKey) => erased.get(key),
    silent,
    desk: deps.desk,
    mayCommit: gate.mayCommit,
    beforeCommit: deps.beforeCommit,
  };

  const fireTimers = async (): Promise<void> => {
    if (gate.underway()) return;
    const nowMs = clock();
    for (const [timer, atMs] of fired) if (atMs < nowMs - 60_000) fired.delete(timer);
    for (const partition of consumer?.assigned() ?? []) {
      const due = (await store.timers.due(partition, nowMs, 1_000)).filter(
        ({ key, dueMs }) => !fired.has(`${key.toString('hex')}-${dueMs}`),
      );
      if (due.length === 0) continue;
      await log.append(due.map((timer) => timerEvent(timer, nowMs)));
      for (const { key, dueMs } of due) fired.set(`${key.toString('hex')}-${dueMs}`, nowMs);
      metrics.timersFired += due.length;
    }
  };

  /** Once each: a restart or a loss of the store brings an erasure again, after which the customer may have begun anew. */
  const erase = async (
    { key, shard, erasedAt }: { readonly key: CustomerKey; readonly shard: number; readonly erasedAt: number },
    place: { readonly epoch: number; readonly offset: number },
  ): Promise<void> => {
    const [customer, markKey, written] = [customerKeyToBytes(key), erasureMarkKey(key), encodeErasureMark(place)];
    for (;;) {
      const read = await store.states.readMany([customer, markKey].map((each) => ({ key: each, shard })));
      const [value, mark] = [read[0] ?? null, read[1] ?? null];
      if (isMarkedErased(mark, place)) return;
      await gate.mayCommit();
      // Before the mark: after it nobody would try again.
      await store.documents.forget(customer, erasedAt);
      const isState = value !== null && recordKindOf(value) === 'state';
      const [result] = await store.states.commit([
        isState
          ? await endOf(key, shard, value, { key: markKey, value: written })
          : { key: markKey, shard, value: written, expected: mark, companions: [], timer: { from: null, to: null } },
      ]);
      if (result !== 'committed') continue;
      if (isState) metrics.erasures++;
      return;
    }
  };

  const endOf = async (key: CustomerKey, shard: number, value: Buffer, mark: StateWrite): Promise<StateCommit> => {
    await loadFeatureSet(store.blobs, facts.featureSet, fingerprintOf(value));
    const state = decodeState(value, facts.featureSet);
    const links = state.pending.filter(({ decisionId }) => customerKeyOfDecision(decisionId) !== key);
    return {
      key: customerKeyToBytes(key),
      shard,
      value: null,
      expected: positionPrefixOf(value),
      companions: [...links.map(({ decisionId }) => ({ key: decisionIdToBytes(decisionId), value: null })), mark],
      timer: { from: state.nextTimerMs, to: null },
      wipe: true,
    };
  };

  const refuseErasure = async ({ topic, partition, offset, value }: LogRecord): Promise<void> => {
    const message = 'it is not an erasure, and nobody was erased for it';
    logger.error({ topic, partition, offset }, message);
    if (silent) return;
    const letter = deadLetterCodec.encode({ topic, partition, offset, reason: 'record.unreadable', message, payload: value, at: clock() });
    await log.append([{ topic: TOPICS.deadLetters, shard: partition, value: letter }]);
  };

  const failed = (error: unknown, what: string): void => {
    if (isOfRebuild(error)) return;
    metrics.failures++;
    logger.error({ err: error }, what);
  };

  return {
    name: 'state',
    counters: metrics,
    metrics: () => ({ ...metrics, rebuilding: gate.underway() ? 1 : 0 }),
    async replaceProject(project) {
      await publishFeatureSet(store.blobs, project.featureSet);
      project.featureSet.others.set(facts.featureSet.fingerprint, facts.featureSet);
      for (const [fingerprint, set] of facts.featureSet.others)
        if (fingerprint !== project.featureSet.fingerprint) project.featureSet.others.set(fingerprint, set);
      facts = project;
    },
    async start() {
      if (consumer !== undefined) return;
      gate.start();
      await publishFeatureSet(store.blobs, facts.featureSet);
      follower = log.follow([TOPICS.erasures], (record) => {
        const erasure = readErasure(record);
        // The eraser tells of it, once and not at every start.
        if (erasure === null) return;
        const key = customerKeyFromBytes(erasure.customerKey);
        erased.set(key, Math.max(erasure.erasedAt, erased.get(key) ?? 0));
      });
      await follower.caughtUp;
      eraser = log.consume({
        group: `${group}-erasures`,
        topics: [TOPICS.erasures],
        holdCommitsMs: store.mayLoseMs,
        onBatch: async ({ partition, records }) => {
          for (const record of records) {
            const erasure = readErasure(record);
            if (erasure === null) await refuseErasure(record);
            else {
              const place = { epoch: log.epoch, offset: record.offset };
              const shard = erasure.shard ?? partition;
              // The topic keeps its first number of partitions: the customer's batches may be of another one.
              const turn = partitionOf(shard, log.partitions);
              const whom = { key: customerKeyFromBytes(erasure.customerKey), shard, erasedAt: erasure.erasedAt };
              await turns.take(turn, () => erase(whom, place));
            }
          }
        },
        onError: (error) => failed(error, 'an erasure failed; it comes again'),
      });
      consumer = log.consume({
        group,
        topics: STATE_INPUTS,
        maxRecords,
        holdCommitsMs: store.mayLoseMs,
        onBatch: ({ partition, records }) => turns.take(partition, () => processBatch(batchDeps, partition, records)),
        onError: (error) => failed(error, 'a batch of state failed; it comes again'),
      });
      deafToLoss = store.onLoss(async () => {
        logger.error({ mayLoseMs: store.mayLoseMs }, 'the feature store may have lost its last commits; their records are read again');
        await Promise.all([consumer?.rewind(), eraser?.rewind()]);
        fired.clear();
      });
      if (!silent) {
        poll = setInterval(() => {
          polling = polling.then(fireTimers).catch((error: unknown) => failed(error, 'due timers could not be appended'));
        }, timerPollMs);
      }
    },
    async stop() {
      gate.stop();
      deafToLoss?.();
      clearInterval(poll);
      await polling;
      await consumer?.stop();
      await eraser?.stop();
      await follower?.stop();
      await turns.done();
      consumer = undefined;
    },
  };
};

const readErasure = (record: LogRecord): Erasure | null => {
  try {
    return erasureCodec.decode(record.value);
  } catch {
    return null;
  }
};

/** One at a time within a partition: a batch and an erasure never interleave. */
const createTurns = () => {
  const last = new Map<number, Promise<unknown>>();
  return {
    take<T>(partition: number, work: () => Promise<T>): Promise<T> {
      const turn = (last.get(partition) ?? Promise.resolve()).then(work, work);
      last.set(
        partition,
        turn.catch(() => {}),
      );
      return turn;
    },
    async done(): Promise<void> {
      await Promise.all(last.values());
    },
  };
};
