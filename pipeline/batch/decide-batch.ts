/** Decisions for many customers at a stated rate: each is logged like any other, so that outcomes find it, and handed to whoever writes it down. */
import { TOPICS, createDecisionId, customerKeyToBytes, decisionCodec, decisionIdFromBytes } from '#contracts';
import type { Chosen, Clock, Context, Control, CustomerKey, CustomerView, Decision, Scorer } from '#contracts';
import { buildReceipt, contactCostsOf, contentOf, decide } from '#decisioning';
import type { Catalog, Scope } from '#decisioning';
import type { EventLog } from '#event-log';
import { fingerprintOf, loadFeatureSet, recordKindOf, viewOfState } from '#feature-store';
import type { FeatureSet, FeatureStore } from '#feature-store';
import { createPace, portionOf } from '../segments/pace.ts';

export interface BatchPerson {
  /** Null: only the key is known, as of everybody whom a scan finds. */
  readonly customerId: string | null;
  readonly key: CustomerKey;
  readonly shard: number;
}

export interface BatchQuestion {
  readonly channel: string;
  readonly direction: 'inbound' | 'outbound';
  readonly limit: number;
  /** Null: all actions of the catalog. */
  readonly scope: Scope | null;
  readonly context: Context;
  readonly cause: string;
}

export interface BatchDeps {
  readonly log: Pick<EventLog, 'append'>;
  readonly store: Pick<FeatureStore, 'states' | 'blobs'>;
  readonly catalog: Catalog;
  readonly featureSet: FeatureSet;
  readonly scorer: (key: CustomerKey) => Scorer | null;
  readonly controls: () => Control;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly question: BatchQuestion;
  /** Decisions a second, at most. */
  readonly perSecond: number;
  /** Who is decided for. */
  readonly isMember: (view: CustomerView) => boolean;
  /** True ends it after the portion in hand. */
  readonly isOver: () => boolean;
}

/** What one decision is written down as. */
export interface BatchAnswer {
  readonly customerKey: CustomerKey;
  readonly customerId: string | null;
  readonly decisionId: string;
  readonly decidedAt: string;
  readonly group: string;
  readonly modelVersion: string;
  readonly degraded: readonly string[];
  /** Empty: nothing is the best. */
  readonly actions: readonly BatchAction[];
}

export interface BatchAction extends Pick<
  Chosen,
  'rank' | 'actionId' | 'treatmentId' | 'propensity' | 'probability' | 'value' | 'priority'
> {
  readonly content: Readonly<Record<string, string>>;
}

export interface BatchCounts {
  readonly decided: number;
  /** Of the decided, for whom nothing was chosen. */
  readonly nothing: number;
  /** Not in the segment. */
  readonly others: number;
}

const TWO_POW_32 = 4_294_967_296;
const SEEDS = 2 ** 52;

/**
 * A portion is in the log before it is handed on: after a crash in between, its decisions (a fifth of a second's) were made and nobody has them.
 * @param onAnswers resolves once they are kept; what it rejects with ends the batch
 */
export const decideBatch = async (
  deps: BatchDeps,
  people: Iterable<BatchPerson> | AsyncIterable<BatchPerson>,
  onAnswers: (answers: readonly BatchAnswer[]) => Promise<void>,
): Promise<BatchCounts> => {
  const pace = createPace(deps);
  const size = portionOf(deps.perSecond);
  const counts = { decided: 0, nothing: 0, others: 0 };
  let portion: BatchPerson[] = [];

  const decidePortion = async (): Promise<void> => {
    const { states } = deps.store;
    const stored = await states.readMany(portion.map(({ key, shard }) => ({ key: customerKeyToBytes(key), shard })));
    const nowMs = deps.clock();
    const asked: Asked[] = [];
    for (const [i, person] of portion.entries()) {
      const value = stored[i] ?? null;
      const state = value !== null && recordKindOf(value) === 'state' ? value : null;
      const view = await viewOf(deps, person.key, state, nowMs);
      if (deps.isMember(view)) asked.push({ person, state, view });
      else counts.others++;
    }
    portion = [];
    if (asked.length === 0 || !(await pace.next(asked.length, deps.perSecond))) return;
    const made = asked.map((one) => decideOne(deps, one));
    await deps.log.append(made.map(({ decision, shard }) => ({ topic: TOPICS.decisions, shard, value: decisionCodec.encode(decision) })));
    await onAnswers(made.map(({ answer }) => answer));
    counts.decided += made.length;
    counts.nothing += made.filter(({ answer }) => answer.actions.length === 0).length;
  };

  for await (const person of people) {
    if (deps.isOver()) return counts;
    portion.push(person);
    if (portion.length >= size) await decidePortion();
  }
  if (portion.length > 0 && !deps.isOver()) await decidePortion();
  return counts;
};

interface Asked {
  readonly person: BatchPerson;
  readonly state: Buffer | null;
  readonly view: CustomerView;
}

const viewOf = async (
  { store, featureSet }: BatchDeps,
  customerKey: CustomerKey,
  state: Buffer | null,
  nowMs: number,
): Promise<CustomerView> => {
  if (state !== null) await loadFeatureSet(store.blobs, featureSet, fingerprintOf(state));
  return viewOfState(state, { customerKey, featureSet, nowMs });
};

interface Made {
  readonly decision: Decision;
  readonly shard: number;
  readonly answer: BatchAnswer;
}

/** By the clock of when its turn came, which may be later than when its state was read. */
const decideOne = (deps: BatchDeps, { person, state, view }: Asked): Made => {
  const { catalog, question, random } = deps;
  const { channel, direction, limit, scope, context, cause } = question;
  const startedMs = performance.now();
  const nowMs = deps.clock();
  const control = deps.controls();
  const input = {
    catalog,
    view,
    scorer: deps.scorer(person.key),
    controls: control,
    // The caller delivers: nobody would measure what is withheld.
    holdouts: null,
    contactCosts: direction === 'outbound' ? contactCostsOf(catalog, control) : null,
    channel,
    direction,
    placement: null,
    scope,
    limit,
    context,
    nowMs,
    seed: Math.floor(random() * SEEDS),
  };
  const verdict = decide(input);
  const draw = (): number => Math.floor(random() * TWO_POW_32);
  const decision = buildReceipt(input, verdict, {
    id: createDecisionId({ atMs: nowMs, shard: person.shard, entropy: [draw(), draw()] }),
    subject: { kind: 'customer', id: person.customerId, keyBytes: customerKeyToBytes(person.key), anonymous: false },
    requestId: null,
    loop: '',
    controlsVersion: control.version,
    degraded: verdict.degraded,
    state,
    cause,
    rootId: null,
    latencyUs: Math.round((performance.now() - startedMs) * 1_000),
  });
  return { decision, shard: person.shard, answer: answerOf(decision, person, deps, view) };
};

const answerOf = (
  decision: Decision,
  { key, customerId }: BatchPerson,
  { catalog, question }: BatchDeps,
  view: CustomerView,
): BatchAnswer => ({
  customerKey: key,
  customerId,
  decisionId: decisionIdFromBytes(decision.decisionId),
  decidedAt: new Date(decision.decidedAt).toISOString(),
  group: decision.group,
  modelVersion: decision.modelVersion,
  degraded: decision.degraded,
  actions: decision.chosen.map(({ rank, actionId, treatmentId, propensity, probability, value, priority }) => ({
    rank,
    actionId,
    treatmentId,
    propensity,
    probability,
    value,
    priority,
    content: contentOf(catalog, { actionId, treatmentId }, { view, context: question.context })?.content ?? {},
  })),
});
