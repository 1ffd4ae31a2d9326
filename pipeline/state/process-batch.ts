/** One batch of a partition: who is concerned, what stands there, what follows; outputs first, then the commit. */
import {
  TOPICS,
  communicationCodec,
  customerKeyOfDecision,
  customerKeyToBytes,
  deadLetterCodec,
  decisionCodec,
  decisionIdToBytes,
  partitionOf,
  rewardCodec,
  shardOfDecision,
} from '#contracts';
import type { Clock, CommunicationState, CustomerKey, DecisionId } from '#contracts';
import type { AppendRecord, EventLog, LogRecord } from '#event-log';
import { decodeLink, encodeLink, encodeState, positionPrefixOf, recordKindOf, timerOf } from '#feature-store';
import type { CommitResult, CompanionWrite, FeatureStore, StateCommit } from '#feature-store';
import { startSlices } from '../slices.ts';
import type { Slices } from '../slices.ts';
import { DONE } from '../steps.ts';
import type { StepResult } from '../steps.ts';
import type { StateFacts } from './context.ts';
import type { CustomerWork } from './customer-work.ts';
import { decodeStep } from './decode-step.ts';
import { foldPart } from './fold-part.ts';
import type { Folded } from './fold-customer.ts';
import type { CustomerPart } from './fold-part.ts';
import type { OutcomeInput, StateInput, TimerInput } from './input.ts';
import type { StateMetrics } from './metrics.ts';
import type { OutreachDesk } from './outreach-desk.ts';
import { WAIT_MS, packWaiting, unpackWaiting, waitsUntil } from './waiting.ts';
import type { WaitingOutcome } from './waiting.ts';

export interface BatchDeps {
  readonly log: EventLog;
  readonly store: FeatureStore;
  readonly facts: () => StateFacts;
  readonly clock: Clock;
  readonly metrics: StateMetrics;
  /** When the customer was erased, ms since 1970 UTC; records that the log took until then are skipped. */
  readonly erasedAt: (key: CustomerKey) => number | undefined;
  /** A rebuild: states are folded, nothing is emitted (law 4). */
  readonly silent: boolean;
  /** Absent: nobody is reached out to. A silent one has none. */
  readonly desk?: (() => OutreachDesk) | undefined;
  /** After the reads of a round and before what follows from them: rejects when they cannot be believed. */
  readonly mayCommit?: (() => Promise<void>) | undefined;
  /** Of an outcome that leads to nobody: whether its customer had it before all the same. For a rebuild, whose states may be ahead. */
  readonly isCounted?: ((outcome: OutcomeInput) => Promise<boolean>) | undefined;
  /** Between append and commit; faults are injected here. */
  readonly beforeCommit?: (() => Promise<void>) | undefined;
}

interface Plan {
  readonly outputs: AppendRecord[];
  readonly commits: StateCommit[];
  /** What to do again when the commit of the same place is refused. */
  readonly inputs: StateInput[][];
}

const MAX_ROUNDS = 20;

/** Records of a batch at most: what a customer did in it is folded and written once. */
export const DEFAULT_BATCH = 8_000;
const READ = 256;
const COMMIT = 500;

export const processBatch = async (deps: BatchDeps, partition: number, records: readonly LogRecord[]): Promise<void> => {
  const { metrics } = deps;
  const slices = startSlices();
  /** What no state follows from: dead letters, and records that lie astray. */
  const letters: AppendRecord[] = [];
  let inputs: StateInput[] = [];
  for (let i = 0; i < records.length; i++) {
    if (i % 64 === 63 && slices.isOver()) await slices.next();
    const record = records[i]!;
    metrics.records++;
    const result = decodeStep(record);
    if (result.kind === 'ok') {
      const input = result.value;
      if (isErased(deps, input)) continue;
      if (!isAstray(deps, input)) inputs.push(input);
      else {
        metrics.astray++;
        letters.push({ topic: record.topic, shard: input.shard!, value: record.value });
      }
    } else if (result.kind === 'drop') metrics.dropped++;
    else letters.push(letterOf(deps, record, result.reason, result.message));
  }
  for (let round = 0; inputs.length > 0 || letters.length > 0; round++) {
    if (round === MAX_ROUNDS)
      throw new Error(`state: commits of partition ${partition} were refused ${round} times; is another writer at work?`);
    const plan = await planOf(deps, partition, inputs, slices);
    await deps.mayCommit?.();
    const outputs = [...letters.splice(0), ...plan.outputs];
    if (!deps.silent && outputs.length > 0) await deps.log.append(outputs);
    await deps.beforeCommit?.();
    const results = await commitAll(deps, plan.commits);
    // Refused perhaps by an erasure: what was before it must not begin a state anew.
    inputs = results.flatMap((result, i) => (result === 'refused' ? plan.inputs[i]! : [])).filter((input) => !isErased(deps, input));
    metrics.commits += results.length;
    if (inputs.length > 0) metrics.refused += results.filter((result) => result === 'refused').length;
  }
  const last = records.at(-1);
  if (last !== undefined) metrics.lagMs = Math.max(0, deps.clock() - last.timestampMs);
};

/** The write lock is taken for a few hundred customers at a time, and all of them are flushed together. */
const commitAll = async ({ store }: BatchDeps, commits: readonly StateCommit[]): Promise<readonly CommitResult[]> => {
  if (commits.length <= COMMIT) return store.states.commit(commits);
  const parts: Promise<readonly CommitResult[]>[] = [];
  for (let from = 0; from < commits.length; from += COMMIT) parts.push(store.states.commit(commits.slice(from, from + COMMIT)));
  return (await Promise.all(parts)).flat();
};

/**
 * In another partition than its customer, as what was appended by an earlier number of partitions: its offset says nothing in the state's
 * position vector, so it is appended again where it belongs. Its identity counts once.
 */
const isAstray = ({ log }: BatchDeps, { shard, record }: StateInput): boolean =>
  shard !== null && partitionOf(shard, log.partitions) !== record.partition;

const isErased = (deps: BatchDeps, input: StateInput): boolean => {
  if (input.kind === 'outcome') return false;
  const erasedAt = deps.erasedAt(input.key);
  return erasedAt !== undefined && takenAtMs(input) <= erasedAt;
};

/** What waited in an outbox was taken long before the log had it. */
const takenAtMs = (input: StateInput): number => {
  const { timestampMs } = input.record;
  switch (input.kind) {
    case 'event':
      return Math.min(timestampMs, input.event.receivedAt);
    case 'decision':
      return Math.min(timestampMs, input.decision.decidedAt);
    case 'outcome':
      return Math.min(timestampMs, input.outcome.receivedAt);
    case 'timer':
    case 'turn':
    case 'communication':
      return timestampMs;
  }
};

/**
 * Of what the ring of ids forgets: the inputs' own time. By the clock alone, a backlog of more than a day would be forgotten between an input and
 * its retry, which would then count twice, but once in a rebuild.
 */
const ringTimeMs = (inputs: readonly StateInput[], nowMs: number): number =>
  inputs.reduce((oldest, input) => Math.min(oldest, takenAtMs(input)), nowMs);

/** What is stored under every id that the batch names, and who answers for each record. */
const planOf = async (deps: BatchDeps, partition: number, inputs: readonly StateInput[], slices: Slices): Promise<Plan> => {
  const named = new Set<DecisionId>();
  const decided = new Map<DecisionId, CustomerKey>();
  for (const input of inputs) {
    if (input.kind === 'decision' || input.kind === 'outcome') named.add(input.decisionId);
    if (input.kind === 'decision') decided.set(input.decisionId, input.key);
  }
  const ids = [...named];
  const atIds = new Map<DecisionId, Buffer | null>();
  const found =
    ids.length === 0 ? [] : await deps.store.states.readMany(ids.map((id) => ({ key: decisionIdToBytes(id), shard: shardOfDecision(id) })));
  ids.forEach((id, i) => atIds.set(id, found[i]!));

  const customers = new Map<CustomerKey, StateInput[]>();
  const unknown = new Map<DecisionId, OutcomeInput[]>();
  for (const input of inputs) {
    const key =
      input.kind === 'outcome' ? (decided.get(input.decisionId) ?? customerAt(input.decisionId, atIds.get(input.decisionId)!)) : input.key;
    if (key !== null) append(customers, key, input);
    else append(unknown, (input as OutcomeInput).decisionId, input as OutcomeInput);
  }

  const keys = [...customers.keys()];
  const places = keys.map((key) => ({ key: customerKeyToBytes(key), shard: shardOfInputs(customers.get(key)!) }));
  const waiting = new Map<DecisionId, readonly WaitingOutcome[]>();
  for (const [id, value] of atIds) if (value !== null && recordKindOf(value) === 'waiting') waiting.set(id, unpackWaiting(value)!);

  const plan: Plan = { outputs: [], commits: [], inputs: [] };
  const touched = new Set<string>();
  const read = (from: number) => deps.store.states.readMany(places.slice(from, from + READ));
  // While one part is folded, the engine reads the next.
  let ahead = keys.length > 0 ? read(0) : undefined;
  let stored: readonly (Buffer | null)[] = [];
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    if (i % READ === 0) {
      stored = await ahead!;
      ahead = i + READ < keys.length ? read(i + READ) : undefined;
      ahead?.catch(() => undefined);
    }
    if (slices.isOver()) await slices.next();
    const value = stored[i % READ]!;
    const own = customers.get(key)!;
    touched.add(key);
    const kind = value === null ? 'none' : recordKindOf(value);
    if (kind === 'state' || own.some((input) => !needsState(input))) {
      const planned = planCustomer(deps, plan, { ...places[i]!, keyBytes: places[i]!.key, key, value, inputs: own, waiting, atIds });
      if (planned !== undefined) await planned;
    } else planWithoutState(deps, plan, places[i]!, value, own);
  }
  for (const [id, outcomes] of unknown) {
    // A timer of the same key was planned above: what waits is read again in the next round.
    if (touched.has(customerKeyOfDecision(id))) continue;
    const early = await withoutCounted(deps, outcomes);
    planWaiting(plan, id, atIds.get(id)!, early);
    deps.metrics.waiting += early.length;
  }
  return plan;
};

/** Null: nothing leads from this decision to a customer. */
const customerAt = (id: DecisionId, value: Buffer | null): CustomerKey | null => {
  if (value === null) return null;
  return recordKindOf(value) === 'state' ? customerKeyOfDecision(id) : decodeLink(value);
};

const append = <K, V>(map: Map<K, V[]>, key: K, value: V): void => {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
};

/** Timers of the first version do not say; its stores went by the partition. */
const shardOfInputs = (inputs: readonly StateInput[]): number =>
  inputs.find(({ shard }) => shard !== null)?.shard ?? inputs[0]!.record.partition;

const planCustomer = (deps: BatchDeps, plan: Plan, part: CustomerPart): void | Promise<void> => {
  const folded = foldPart(deps, part);
  if (folded instanceof Promise) return folded.then((settled) => planCommit(deps, plan, part, settled));
  planCommit(deps, plan, part, folded);
};

const planCommit = (
  deps: BatchDeps,
  plan: Plan,
  { shard, key, keyBytes, value, inputs, atIds }: CustomerPart,
  { work, applied, done, results }: Folded,
): void => {
  const letters: AppendRecord[] = [];
  for (let i = 0; i < done.length; i++) {
    const input = done[i]!;
    const result = results[i]!;
    count(deps.metrics, input, result);
    if (result.kind === 'deadLetter') letters.push(letterOf(deps, input.record, result.reason, result.message));
  }
  deps.metrics.skipped += inputs.length - applied;
  if (applied === 0) return;

  const { state } = work;
  const isState = value !== null && recordKindOf(value) === 'state';
  // A link takes the place of what was read there: an outcome that another worker made wait since then is not overwritten.
  const companions = [...work.links].map(([id, there]): CompanionWrite => {
    const at = decisionIdToBytes(id);
    return there ? { key: at, value: encodeLink(key), expected: atIds.get(id) ?? null } : { key: at, value: null };
  });
  // A subject that was only one decision ends with it.
  const ended =
    work.rewards.length > 0 &&
    inputs.some((input) => input.kind === 'timer') &&
    work.rewards.some((reward) => keyBytes.equals(reward.decisionId)) &&
    state.pending.length === 0;
  plan.outputs.push(...letters);
  for (const reward of work.rewards) {
    deps.metrics.rewards++;
    plan.outputs.push({ topic: TOPICS.rewards, shard, value: rewardCodec.encode(reward) });
  }
  planOutreachOutputs(deps, plan, shard, work);
  plan.commits.push({
    key: keyBytes,
    shard,
    value: ended ? null : encodeState(state, ringTimeMs(inputs, deps.clock())),
    expected: isState ? positionPrefixOf(value) : value,
    companions,
    timer: {
      from: isState ? timerOf(value) : waitsUntil(value === null ? [] : (unpackWaiting(value) ?? [])),
      to: ended ? null : state.nextTimerMs,
    },
  });
  plan.inputs.push(inputs);
};

const planOutreachOutputs = (
  { metrics }: BatchDeps,
  plan: Plan,
  shard: number,
  { decisions, communications, outreachDropped }: CustomerWork,
): void => {
  metrics.outreachDropped += outreachDropped;
  for (const decision of decisions) {
    metrics.outreach++;
    plan.outputs.push({ topic: TOPICS.decisions, shard, value: decisionCodec.encode(decision) });
  }
  for (const communication of communications) {
    countVerdict(metrics, communication.state);
    plan.outputs.push({ topic: TOPICS.communications, shard, value: communicationCodec.encode(communication) });
  }
};

const countVerdict = (metrics: StateMetrics, state: CommunicationState): void => {
  if (state === 'queued') metrics.messagesQueued++;
  else if (state === 'deferred') metrics.messagesDeferred++;
  else if (state === 'denied') metrics.messagesDenied++;
  else if (state === 'heldOut') metrics.messagesHeldOut++;
};

/** It begins no customer. */
const needsState = ({ kind }: StateInput): boolean => kind === 'timer' || kind === 'turn';

/** Who was erased before its turn came has none. */
const planWithoutState = (
  deps: BatchDeps,
  plan: Plan,
  place: { readonly key: Buffer; readonly shard: number },
  value: Buffer | null,
  inputs: readonly StateInput[],
): void => {
  const timers = inputs.filter((input) => input.kind === 'timer');
  deps.metrics.dropped += inputs.length - timers.length;
  if (timers.length > 0) planTimerOfDecision(deps, plan, place, value, timers);
};

/** A timer under a decision id: outcomes have waited long enough, or their decision came and the timer is left over. */
const planTimerOfDecision = (
  deps: BatchDeps,
  plan: Plan,
  { key, shard }: { readonly key: Buffer; readonly shard: number },
  value: Buffer | null,
  timers: TimerInput[],
): void => {
  const from = timers[0]!.dueMs;
  const dueMs = Math.max(...timers.map((timer) => timer.dueMs));
  const outcomes = value === null ? null : unpackWaiting(value);
  const rest = outcomes?.filter(({ timestampMs }) => timestampMs + WAIT_MS > dueMs) ?? [];
  for (const outcome of outcomes ?? []) {
    if (rest.includes(outcome)) continue;
    deps.metrics.deadLetters++;
    const record = { topic: TOPICS.outcomes, partition: timers[0]!.record.partition, offset: outcome.offset, value: outcome.value };
    plan.outputs.push(letterOf(deps, record, 'outcome.no-decision', 'no decision with this id came within an hour, or it has matured'));
  }
  const next = rest.length > 0 ? packWaiting(rest) : null;
  plan.commits.push({
    key,
    shard,
    value: outcomes === null ? value : next,
    expected: value,
    companions: [],
    timer: { from: outcomes === null ? from : waitsUntil(outcomes), to: outcomes === null ? null : waitsUntil(rest) },
  });
  plan.inputs.push(timers);
};

const withoutCounted = async ({ isCounted }: BatchDeps, outcomes: OutcomeInput[]): Promise<OutcomeInput[]> => {
  if (isCounted === undefined) return outcomes;
  const early: OutcomeInput[] = [];
  for (const outcome of outcomes) if (!(await isCounted(outcome))) early.push(outcome);
  return early;
};

/** The same outcome read twice waits once: its place says so. */
const planWaiting = (plan: Plan, id: DecisionId, value: Buffer | null, inputs: OutcomeInput[]): void => {
  const before = value === null ? [] : (unpackWaiting(value) ?? []);
  const known = new Set(before.map(placeOf));
  const after = [...before, ...inputs.map(({ record }) => record).filter((record) => !known.has(placeOf(record)))];
  if (after.length === before.length) return;
  plan.commits.push({
    key: decisionIdToBytes(id),
    shard: shardOfDecision(id),
    value: packWaiting(after),
    expected: value,
    companions: [],
    timer: { from: waitsUntil(before), to: waitsUntil(after) },
  });
  plan.inputs.push(inputs);
};

/** Of outcomes of one decision; in another life of the log an offset comes again. */
const placeOf = ({ offset, timestampMs }: WaitingOutcome): string => `${offset}/${timestampMs}`;

const letterOf = (
  deps: BatchDeps,
  record: Pick<LogRecord, 'topic' | 'partition' | 'offset' | 'value'>,
  reason: string,
  message: string,
): AppendRecord => ({
  topic: TOPICS.deadLetters,
  shard: record.partition,
  value: deadLetterCodec.encode({
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    reason,
    message,
    payload: record.value,
    at: deps.clock(),
  }),
});

const count = (metrics: StateMetrics, input: StateInput, result: StepResult<null>): void => {
  if (result === DONE && input.kind === 'event') metrics.events++;
  else if (result.kind === 'ok') {
    metrics[APPLIED[input.kind]]++;
    if (input.kind === 'outcome') countAnswer(metrics, input.outcome.outcome);
  } else if (result.kind === 'deadLetter') metrics.deadLetters++;
  else if (result.reason === 'duplicate') metrics.duplicates++;
  else metrics.dropped++;
};

const countAnswer = (metrics: StateMetrics, outcome: string): void => {
  if (outcome === 'alreadyHas') metrics.alreadyHas++;
  else if (outcome === 'neverOffered') metrics.neverOffered++;
};

const APPLIED = {
  event: 'events',
  decision: 'decisions',
  outcome: 'outcomes',
  timer: 'timers',
  turn: 'turns',
  communication: 'communications',
} as const;
