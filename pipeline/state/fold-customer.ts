/** Folds one customer's records of a batch, in order, into the state as stored; pure, so that a refused commit can fold again. */
import { AttuneError, STATE_INPUTS, TOPICS, outcomeCodec, shardOfDecision } from '#contracts';
import type { CustomerKey, DecisionId } from '#contracts';
import type { EventLog, LogRecord } from '#event-log';
import { decodeState, emptyState, nextOfOutreach, recordKindOf } from '#feature-store';
import { deadLetter } from '../steps.ts';
import type { StepResult } from '../steps.ts';
import { applyInput } from './apply-input.ts';
import type { StateFacts } from './context.ts';
import { openWork } from './customer-work.ts';
import type { CustomerWork } from './customer-work.ts';
import type { OutcomeInput, StateInput } from './input.ts';
import type { OutreachDesk } from './outreach-desk.ts';
import type { WaitingOutcome } from './waiting.ts';

const OUTCOMES = STATE_INPUTS.indexOf(TOPICS.outcomes);

export interface FoldOptions {
  readonly key: CustomerKey;
  readonly facts: StateFacts;
  /** Of the customer. */
  readonly shard: number;
  readonly nowMs: number;
  /** Null: a rebuild. */
  readonly desk: OutreachDesk | null;
  /** Reservations that were refused when this was folded before. */
  readonly refused: ReadonlySet<string>;
  /** A state of another epoch forgets its positions. */
  readonly log: Pick<EventLog, 'epoch' | 'raisedAtMs'>;
  readonly stored: Buffer | null;
  readonly inputs: readonly StateInput[];
  /** Outcomes that came before their decision, by its id. */
  readonly waiting: ReadonlyMap<DecisionId, readonly WaitingOutcome[]>;
}

export interface Folded {
  readonly work: CustomerWork;
  /** Records that count from now on; 0: all of them were in the state already. */
  readonly applied: number;
  /** Those that were applied, in order, and what each came to. */
  readonly done: readonly StateInput[];
  readonly results: readonly StepResult<null>[];
}

/**
 * A record at or below the state's position was applied before. A record that makes a step throw is left out, and the others are
 * folded again from the start: half a step never reaches a state.
 */
export const foldCustomer = (options: FoldOptions): Folded => {
  const poison = new Map<StateInput, StepResult<null>>();
  for (;;) {
    const done: StateInput[] = [];
    const results: StepResult<null>[] = [];
    const thrown = foldOnce(options, poison, done, results);
    if ('folded' in thrown) return thrown.folded;
    poison.set(thrown.input, deadLetter('record.failed', `${thrown.input.kind}: ${(thrown.error as Error).message}`));
  }
};

type Attempt = { readonly folded: Folded } | { readonly input: StateInput; readonly error: unknown };

const foldOnce = (
  options: FoldOptions,
  poison: ReadonlyMap<StateInput, StepResult<null>>,
  done: StateInput[],
  results: StepResult<null>[],
): Attempt => {
  const { key, facts, stored, inputs, waiting } = options;
  const { epoch, raisedAtMs = 0 } = options.log;
  const state = stored !== null && recordKindOf(stored) === 'state' ? decodeState(stored, facts.featureSet) : emptyState(facts.featureSet);
  if (state.epoch !== epoch) {
    state.epoch = epoch;
    state.positions.fill(-1);
  }
  const { shard, nowMs, desk, refused } = options;
  const work = openWork({ key, facts, state, shard, nowMs, desk, refused });
  const decided = new Set<DecisionId>();
  const early: OutcomeInput[] = [];
  const ahead = new Set<DecisionId>();
  for (const input of inputs) {
    if (input.kind === 'decision') ahead.add(input.decisionId);
    if (input.kind === 'decision' || input.kind === 'timer') work.timerMoves = true;
  }
  let applied = 0;

  const apply = (input: StateInput): void => {
    const result = (poison.size === 0 ? undefined : poison.get(input)) ?? applyInput(work, input);
    done.push(input);
    results.push(result);
  };
  let current = inputs[0]!;
  try {
    for (const input of inputs) {
      current = input;
      const { offset } = input.record;
      if (offset <= state.positions[input.topicIndex]!) continue;
      state.positions[input.topicIndex] = offset;
      applied++;
      if (input.kind === 'outcome' && ahead.has(input.decisionId) && !decided.has(input.decisionId)) {
        early.push(input);
        continue;
      }
      apply(input);
      if (input.kind !== 'decision') continue;
      decided.add(input.decisionId);
      const late = [
        ...(waiting.get(input.decisionId) ?? []).map((outcome) => outcomeInput(input, outcome)),
        ...early.filter((o) => o.decisionId === input.decisionId),
      ];
      for (const outcome of late) {
        current = outcome;
        const { offset: place, timestampMs } = outcome.record;
        // One that has waited since an earlier life of the log has its offset there.
        if (timestampMs >= raisedAtMs && place > state.positions[OUTCOMES]!) state.positions[OUTCOMES] = place;
        apply(outcome);
      }
    }
    for (const outcome of early) {
      current = outcome;
      if (!decided.has(outcome.decisionId)) apply(outcome);
    }
  } catch (error) {
    if (poison.has(current) || isOfState(error)) throw error;
    return { input: current, error };
  }
  // Most events and outcomes leave the deadlines alone, and the pending decisions unread.
  if (work.timerMoves)
    state.nextTimerMs = state.pending.reduce<number | null>(
      (first, { matureAtMs }) => (first === null || matureAtMs < first ? matureAtMs : first),
      nextOfOutreach(state),
    );
  return { folded: { work, applied, done, results } };
};

/** One object a waiting outcome, whatever the attempt: poison is remembered by it. */
const revived = new WeakMap<WaitingOutcome, OutcomeInput>();
const outcomeInput = (
  { decisionId, record: { partition } }: { decisionId: DecisionId; record: LogRecord },
  waiting: WaitingOutcome,
): OutcomeInput => {
  let input = revived.get(waiting);
  if (input === undefined) {
    const record: LogRecord = {
      topic: TOPICS.outcomes,
      partition,
      offset: waiting.offset,
      timestampMs: waiting.timestampMs,
      key: null,
      value: waiting.value,
    };
    const outcome = outcomeCodec.decode(waiting.value);
    input = { kind: 'outcome', record, topicIndex: OUTCOMES, shard: shardOfDecision(decisionId), decisionId, outcome };
    revived.set(waiting, input);
  }
  return input;
};

/** The state itself cannot be read: no record is to blame. */
const isOfState = (error: unknown): boolean => error instanceof AttuneError && /^(state|feature-set)\./.test(error.code);
