/** What a network is trained on: logged decisions through the served encoder, one row a shown action, in the order of time. */
import { createHash } from 'node:crypto';
import { hash32, type ActionProfile } from '#contracts';
import { createContextCode, createEncoder, type ActionPart } from '../encoder/encoder.ts';
import type { EncoderSpec } from '../encoder/spec.ts';
import type { LoggedDecision } from '../logged/logged-decision.ts';

/**
 * What the loss is taken over.
 *
 * - `observed`: the shown actions as they were shown.
 * - `importance`: each weighted by min(1/p, clip), p its logging probability: as if actions had been shown uniformly (Horvitz–Thompson, clipped).
 * - `doublyRobust`: q + min(1/p, clip) (y − q) for the shown action and q for one other candidate in place of all of them (Dudík et al. 2011),
 *   with q as served: it was predicted before the outcome, so it needs no cross-fitting.
 */
export type Objective = 'observed' | 'importance' | 'doublyRobust';

export interface TrainingSet {
  readonly rows: number;
  readonly xDims: number;
  readonly xNames: readonly string[];
  /** [rows][xDims] */
  readonly x: Float32Array;
  /** Place in `actions`. */
  readonly action: Int32Array;
  readonly actions: readonly { readonly id: string; readonly part: ActionPart }[];
  /** What the loss takes: the outcome, or a doubly robust target. */
  readonly target: Float32Array;
  /** Of mean 1, so that learning rate and penalty mean the same under every objective. */
  readonly weight: Float32Array;
  /** What came true; NaN: the row stands for actions that were not shown. */
  readonly outcome: Float32Array;
  /** The logging probability. */
  readonly probability: Float32Array;
  /** Propensity as served. */
  readonly served: Float32Array;
  readonly decidedAtMs: Float64Array;
  /** Of the decisions' ids and targets: equal for equal content. */
  readonly fingerprint: string;
  /** Shown actions that were left out: recorded before the warehouse kept all that the encoder reads. */
  readonly notAsServed: number;
}

export interface TrainingSetOptions {
  readonly encoder: EncoderSpec;
  readonly objective: Objective;
  /** Largest importance weight. */
  readonly clip: number;
  /** The newest ones. */
  readonly maxRows: number;
}

export interface TrainingSetBuilder {
  add(decisions: readonly LoggedDecision[]): void;
  readonly rows: number;
  build(): TrainingSet;
}

export const createTrainingSet = ({ encoder: spec, objective, clip, maxRows }: TrainingSetOptions): TrainingSetBuilder => {
  const encoder = createEncoder(spec);
  const { xDims } = encoder;
  const code = createContextCode(encoder);
  const hash = createHash('sha256');
  const places = new Map<string, number>();
  const actions: { id: string; part: ActionPart }[] = [];
  const columns = { target: [0], weight: [0], outcome: [0], probability: [0], served: [0], decidedAtMs: [0], action: [0] };
  for (const column of Object.values(columns)) column.length = 0;
  let x = new Float32Array(1024 * xDims);
  let rows = 0;
  let notAsServed = 0;

  const placeOf = (action: ActionProfile): number => {
    const key = `${action.id}\0${JSON.stringify(action.features)}`;
    let place = places.get(key);
    if (place === undefined) {
      places.set(key, (place = actions.length));
      actions.push({ id: action.id, part: encoder.encodeAction(action) });
    }
    return place;
  };
  const push = (row: { [N in keyof typeof columns]: number }): void => {
    if ((rows + 1) * xDims > x.length) {
      const larger = new Float32Array(x.length * 2);
      larger.set(x);
      x = larger;
    }
    x.set(code.x, rows++ * xDims);
    for (const name of Object.keys(columns) as (keyof typeof columns)[]) columns[name].push(row[name]);
  };
  /** Only the newest stay. */
  const trim = (): void => {
    const gone = rows - maxRows;
    if (gone <= 0) return;
    x.copyWithin(0, gone * xDims, rows * xDims);
    for (const name of Object.keys(columns) as (keyof typeof columns)[]) columns[name] = columns[name].slice(gone);
    rows = maxRows;
  };

  const addDecision = (decision: LoggedDecision): void => {
    let encoded = false;
    for (const [i, { index, probability, rank }] of decision.chosen.entries()) {
      const reward = decision.rewards[i];
      if (index < 0 || reward === null || reward === undefined || !reward.matured || reward.target === null) continue;
      if (!decision.asServed) {
        notAsServed++;
        continue;
      }
      if (!encoded) encoder.encodeContext(decision.request, code);
      encoded = true;
      const y = reward.target;
      const q = decision.propensities[index]!;
      const w = Math.min(1 / Math.max(probability, 1e-9), clip);
      const shared = { probability, decidedAtMs: decision.decidedAtMs };
      hash.update(`${decision.decisionId}/${rank}=${y};`);
      push({
        ...shared,
        action: placeOf(decision.candidates[index]!),
        target: objective === 'doublyRobust' ? q + w * (y - q) : y,
        weight: objective === 'importance' ? w : 1,
        outcome: y,
        served: q,
      });
      const others = decision.candidates.length - 1;
      if (objective !== 'doublyRobust' || others === 0) continue;
      const other = (index + 1 + (hash32(decision.decisionId) % others)) % decision.candidates.length;
      const imputed = decision.propensities[other]!;
      push({ ...shared, action: placeOf(decision.candidates[other]!), target: imputed, weight: others, outcome: NaN, served: imputed });
    }
  };

  return {
    add(decisions) {
      for (const decision of decisions) addDecision(decision);
      if (rows >= 2 * maxRows) trim();
    },
    get rows() {
      return Math.min(rows, maxRows);
    },
    build() {
      trim();
      return {
        rows,
        xDims,
        xNames: encoder.xNames,
        x: x.subarray(0, rows * xDims),
        action: Int32Array.from(columns.action),
        actions,
        target: Float32Array.from(columns.target),
        weight: meanOne(columns.weight),
        outcome: Float32Array.from(columns.outcome),
        probability: Float32Array.from(columns.probability),
        served: Float32Array.from(columns.served),
        decidedAtMs: Float64Array.from(columns.decidedAtMs),
        fingerprint: hash.copy().digest('hex').slice(0, 16),
        notAsServed,
      };
    },
  };
};

const meanOne = (weights: readonly number[]): Float32Array => {
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
  return Float32Array.from(weights, (weight) => weight / mean);
};

/** Σw squared over Σw²: as many equally weighted rows would say as much (Kish 1965). */
export const effectiveRows = (weights: ArrayLike<number>, rows: Iterable<number>): number => {
  let sum = 0;
  let squares = 0;
  for (const row of rows) {
    sum += weights[row]!;
    squares += weights[row]! ** 2;
  }
  return squares === 0 ? 0 : sum ** 2 / squares;
};
