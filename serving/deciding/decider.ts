/** From a request to a durable receipt and its answer. */
import { TOPICS, createDecisionId, hash32, shardOfDecision, within, type Clock, type Decision, type DecisionId } from '#contracts';
import { buildReceipt, contactCostsOf, decide, holdoutsOf, type DecideInput } from '#decisioning';
import type { ControlsHolder } from '#event-log';
import type { CustomerStateView, FeatureStore, RebuildWatch } from '#feature-store';
import type { CatalogHolder, CompiledProject } from '../holders/catalog-holder.ts';
import type { ErasuresHolder } from '../holders/erasures-holder.ts';
import type { ModelsHolder } from '../holders/models-holder.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Appender } from '../receipts/append-in-time.ts';
import { encodeReceipt } from '../receipts/encode-receipt.ts';
import type { ReceiptFinder } from '../receipts/find-receipt.ts';
import type { DecisionAnswer, DecisionRequest } from '../schemas/decisions.ts';
import { answerOf, answerOfReceipt } from './answer.ts';
import { OWN_LOOP, checkRequest, type Direction } from './check-request.ts';
import { isFreshlyErased } from './freshly-erased.ts';
import { createOnceByRequest } from './once-by-request.ts';
import { readState, type StateRead, type StateReadDeps } from './read-state.ts';
import type { Shadow } from './shadow.ts';
import { createStoreCircuit } from './store-circuit.ts';
import { entropyOfRequest, subjectOfDecision, type Subject, type Subjects } from './subject.ts';
import { viewOfBytes } from './view-of-bytes.ts';

export interface Decider {
  /** Rejects with a problem: 4xx for the request's faults, 503 when the receipt could not be made durable. */
  decide(request: DecisionRequest): Promise<DecisionAnswer>;
  /** The same for somebody who keeps more of it than the receipt: the decision made, durable, for `cause`. A requestId has no effect. */
  decideFor(request: DecisionRequest, asking: Asking): Promise<void>;
  /** Decides for nobody until the code is hot; nothing is recorded. */
  warmUp(): Promise<void>;
}

export interface DeciderDeps {
  readonly store: FeatureStore;
  readonly rebuild: RebuildWatch;
  readonly catalog: CatalogHolder;
  readonly controls: ControlsHolder;
  readonly erasures: ErasuresHolder;
  readonly models: ModelsHolder;
  readonly shadow: Shadow;
  readonly subjects: Subjects;
  readonly appender: Appender;
  readonly receipts: ReceiptFinder;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: () => number;
  readonly deadlineMs: number;
  readonly appendBoundMs: number;
  readonly requestTtlMs: number;
  /** True while what is accepted waits for the log: controls and models may be those of before. */
  readonly logIsAway: () => boolean;
}

/** Who wants a decision, and what has to be durable before it is. */
export interface Asking {
  /** As receipts say it. */
  readonly cause: string;
  /** When it rejects, nothing is decided. */
  readonly beforeAppend: (made: Made) => Promise<void>;
}

/** One request on its way. */
interface Asked {
  readonly request: DecisionRequest;
  readonly compiled: CompiledProject;
  readonly direction: Direction;
  readonly subject: Subject;
  readonly nowMs: number;
  readonly arrivedMs: number;
  readonly asking: Asking | null;
}

export interface Made {
  readonly decision: Decision;
  readonly view: CustomerStateView;
  readonly input: DecideInput;
}

export const DEGRADED_REQUEST = 'request';
export const DEGRADED_LOG = 'log';
/** Beside `features`: why they were not read. */
export const DEGRADED_REBUILD = 'rebuild';
const TWO_POW_32 = 4_294_967_296;
/** Seeds stay where every integer is exact and Avro's reader takes it. */
const SEEDS = 2 ** 52;
/** Another process answers within its append's bound or not at all. */
const PATIENCE_MS = 300;
const WARM_UP_DECISIONS = 300;

export const createDecider = (deps: DeciderDeps): Decider => {
  const { store, rebuild, catalog, controls, erasures, models, subjects, appender, receipts, metrics, clock, random, deadlineMs } = deps;
  const storeCircuit = createStoreCircuit(() => performance.now());
  const reading: StateReadDeps = { store, rebuild, storeCircuit };
  const requests = createOnceByRequest({
    store,
    receipts,
    clock,
    boundMs: deps.appendBoundMs,
    effort: store.mayLoseMs > 0 ? { ms: deadlineMs / 2, circuit: storeCircuit } : null,
    ttlMs: deps.requestTtlMs,
    patienceMs: PATIENCE_MS,
  });

  const make = async (asked: Asked, id: DecisionId, unclaimed: boolean): Promise<Made> => {
    const { subject, arrivedMs } = asked;
    let read: StateRead | Promise<StateRead> = null;
    if (subject.id !== null && !isFreshlyErased(erasures, subject.key, asked.nowMs)) {
      read = readState(reading, subject, deadlineMs - (performance.now() - arrivedMs));
      if (read instanceof Promise) read = await read;
    }
    const made = await judge(asked, id, read, unclaimed);
    await asked.asking?.beforeAppend(made);
    await appender.append([{ topic: TOPICS.decisions, shard: shardOfDecision(id), value: encodeReceipt(made.decision) }]);
    return made;
  };

  const judge = async (asked: Asked, id: DecisionId, read: StateRead, unclaimed: boolean): Promise<Made> => {
    const { compiled, subject, nowMs } = asked;
    const options = { customerKey: subject.key, featureSet: compiled.featureSet, nowMs };
    const seen = read === 'failed' ? null : viewOfBytes(store, read, options);
    // Definitions of features that have to be fetched first have what is left of the deadline.
    const view = seen instanceof Promise ? await within(deadlineMs - (performance.now() - asked.arrivedMs), seen, null) : seen;
    return decideOn(asked, id, view === null || read === 'failed' ? null : read, view, unclaimed);
  };

  /** @param view null: the state could not be read */
  const decideOn = (asked: Asked, id: DecisionId, state: Buffer | null, view: CustomerStateView | null, unclaimed: boolean): Made => {
    const { request, compiled, direction, subject, nowMs } = asked;
    const own = request.candidates !== undefined;
    const loop = own ? (request.loop ?? OWN_LOOP) : '';
    const seed = Math.floor(random() * SEEDS);
    const control = controls.current();
    const context = request.context ?? {};
    const blind = view === null;
    const shown =
      view ?? (viewOfBytes(store, null, { customerKey: subject.key, featureSet: compiled.featureSet, nowMs }) as CustomerStateView);
    const input: DecideInput = {
      catalog: compiled.catalog,
      view: shown,
      readFailed: blind,
      scorer: models.scorer(loop, subject.key),
      controls: control,
      channel: request.channel,
      direction,
      placement: request.placement ?? null,
      limit: request.limit ?? 1,
      scope: request.scope ?? null,
      // Where the caller delivers, nothing is withheld: nobody would measure it.
      holdouts: direction === 'outbound' && compiled.channels.channels.has(request.channel) ? holdoutsOf(compiled.catalog, control) : null,
      contactCosts: direction === 'outbound' ? contactCostsOf(compiled.catalog, control) : null,
      context,
      ownCandidates: own ? request.candidates!.map(({ id: name, features }) => ({ id: name, features: features ?? {} })) : null,
      ...(request.allowNone === undefined ? {} : { allowNone: request.allowNone }),
      nowMs,
      seed,
    };
    const verdict = decide(input);
    const degraded = degradedOf(verdict.degraded, unclaimed);
    const decision = buildReceipt(input, verdict, {
      id,
      subject,
      requestId: request.requestId ?? null,
      loop,
      controlsVersion: control.version,
      degraded: blind && rebuild.underway() ? [...degraded, DEGRADED_REBUILD] : degraded,
      state,
      cause: asked.asking?.cause ?? '',
      rootId: null,
      latencyUs: Math.min(0x7fffffff, Math.round((performance.now() - asked.arrivedMs) * 1_000)),
    });
    return { decision, view: shown, input };
  };

  const degradedOf = (degraded: readonly string[], unclaimed: boolean): readonly string[] =>
    unclaimed || deps.logIsAway()
      ? [...degraded, ...(unclaimed ? [DEGRADED_REQUEST] : []), ...(deps.logIsAway() ? [DEGRADED_LOG] : [])]
      : degraded;

  const ask = (request: DecisionRequest, asking: Asking | null = null): { readonly asked: Asked; readonly id: DecisionId } => {
    const arrivedMs = performance.now();
    const nowMs = clock();
    const compiled = catalog.current();
    const direction = checkRequest(request, compiled.catalog);
    const { requestId } = request;
    const named = request.customerId === undefined ? null : subjects.find('customer', request.customerId);
    const subject = named ?? (request.anonymousId === undefined ? null : subjects.find('anonymous', request.anonymousId));
    const entropy = requestId === undefined ? ([draw(), draw()] as const) : entropyOfRequest(subject?.key ?? null, requestId);
    const shard = subject?.shard ?? (requestId === undefined ? draw() & 0xffff : hash32(requestId) & 0xffff);
    const id = createDecisionId({ atMs: nowMs, shard, entropy });
    return { asked: { request, compiled, direction, subject: subject ?? subjectOfDecision(id, shard), nowMs, arrivedMs, asking }, id };
  };

  const draw = (): number => Math.floor(random() * TWO_POW_32);

  const decideAgain = async (asked: Asked, id: DecisionId): Promise<DecisionAnswer> => {
    let made: Made | null = null;
    const whose = asked.request.customerId === undefined && asked.request.anonymousId === undefined ? 'nobody' : asked.subject.key;
    const decision = await requests.once(
      { name: `${whose}:${asked.request.requestId}`, id, nowMs: asked.nowMs },
      async (claimed, unclaimed) => {
        made = await make(
          { ...asked, subject: asked.subject.id === null ? subjectOfDecision(claimed, asked.subject.shard) : asked.subject },
          claimed,
          unclaimed,
        );
        return made.decision;
      },
    );
    return made === null ? answerOfReceipt(decision, catalog, asked.request) : answer(asked, made);
  };

  const answer = (asked: Asked, made: Made): DecisionAnswer => {
    const { decision } = made;
    deps.shadow.offer(made.input, decision.loop);
    metrics.decided(decision.group, decision.degraded, (performance.now() - asked.arrivedMs) / 1_000);
    const { request, compiled } = asked;
    return answerOf({ decision, compiled, view: made.view, context: request.context ?? {}, explained: request.explain === true });
  };

  return {
    async decide(request) {
      const { asked, id } = ask(request);
      if (request.requestId !== undefined) return decideAgain(asked, id);
      return answer(asked, await make(asked, id, false));
    },
    async decideFor(request, asking) {
      const { asked, id } = ask(request, asking);
      answer(asked, await make(asked, id, false));
    },
    async warmUp() {
      const channels = [...catalog.current().catalog.channels.keys()];
      if (channels.length === 0) return;
      for (let i = 0; i < WARM_UP_DECISIONS; i++) {
        const { asked, id } = ask({ anonymousId: `warm-up-${i % 7}`, channel: channels[i % channels.length]!, limit: 3 });
        const made = await judge(asked, id, null, false);
        encodeReceipt(made.decision);
        answerOf({ decision: made.decision, compiled: asked.compiled, view: made.view, context: {}, explained: false });
        // The process answers /healthz meanwhile.
        if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
};
