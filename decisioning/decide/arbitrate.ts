/**
 * Chooses slot by slot and says with which probability.
 *
 * In each slot the best by priority is found. If it may not be explored (`explore: false`), it is chosen with probability 1: nothing was
 * drawn, and it is outside support. Else the draw is among those that may be explored and `none`; the others have probability 0.
 * `none` in a slot ends the answer. docs/decisions/0005.
 *
 * With a hold-out, what was drawn with p is withheld in its share h of the times: P = p(1 − h), and `none` gains Σ p·h. docs/decisions/0032.
 */
import { distribute, nextUniform, sampleIndex, seedUniform, uniform } from '#models/exploration';
import type { ResolvedPolicy, UniformState } from '#models/exploration';

export interface Lottery {
  /** Candidates, without `none`. */
  readonly count: number;
  readonly allowNone: boolean;
  /** `count` entries, and one for `none` where it takes part. */
  readonly priorities: readonly number[];
  readonly gammas: readonly number[];
  /** Of the priorities; empty: known exactly, or of no interest to the policy. */
  readonly standardErrors: readonly number[];
  /** 1 for each candidate that may be explored. */
  readonly explorable: Uint8Array;
  /** Equal for candidates of which one answer holds at most `perKind`; null: no such bound. */
  readonly kinds: Int32Array | null;
  readonly perKind: number;
  /** `off`: the best, and where several are best the first of them; `uniform` and `none`: the hold-out's; else the policy draws. */
  readonly method: 'uniform' | 'none' | 'off' | 'policy';
  readonly policy: ResolvedPolicy;
  readonly slots: number;
  readonly seed: number;
  /** Of the candidates, only where `none` takes part: share in which each is withheld once drawn, in [0, 1). Null: none is. */
  readonly holdouts: readonly number[] | null;
}

export interface Draw {
  /** The candidate. */
  readonly index: number;
  /** Of it in its slot, given the slots above. */
  readonly probability: number;
}

export interface Drawn {
  /** In slot 1; one entry for each of `priorities`. */
  readonly probabilities: number[];
  readonly draws: readonly Draw[];
  /** The candidate that was drawn and withheld, which ended the answer; -1: none was. */
  readonly heldOut: number;
}

const SEEDS = 2 ** 53;

interface Buffers {
  readonly open: Uint8Array;
  readonly support: Int32Array;
  readonly scores: Float64Array;
  readonly gammas: Float64Array;
  readonly errors: Float64Array;
  readonly probabilities: Float64Array;
}

let buffers: Buffers = createBuffers(128);

function createBuffers(size: number): Buffers {
  return {
    open: new Uint8Array(size),
    support: new Int32Array(size),
    scores: new Float64Array(size),
    gammas: new Float64Array(size),
    errors: new Float64Array(size),
    probabilities: new Float64Array(size),
  };
}

export const arbitrate = (lottery: Lottery, state: UniformState): Drawn => {
  const { count, allowNone, slots, holdouts } = lottery;
  const all = count + (allowNone ? 1 : 0);
  if (all > buffers.open.length) buffers = createBuffers(all * 2);
  const { open } = buffers;
  open.fill(1, 0, all);
  seedUniform(state, lottery.seed);
  const probabilities = new Array<number>(all).fill(0);
  const draws: Draw[] = [];
  let heldOut = -1;
  for (let slot = 0; slot < slots; slot++) {
    const n = fillSlot(lottery, buffers, all, slot);
    if (n === 0) break;
    if (slot === 0) for (let i = 0; i < n; i++) probabilities[buffers.support[i]!] = buffers.probabilities[i]!;
    const drawn = n === 1 ? 0 : sampleIndex(buffers.probabilities, n, nextUniform(state));
    const index = buffers.support[drawn]!;
    if (slot === 0 && holdouts !== null) moveToNone(probabilities, holdouts);
    if (index >= count) break;
    const share = holdouts === null ? 0 : holdouts[index]!;
    if (share > 0 && nextUniform(state) < share) {
      heldOut = index;
      break;
    }
    draws.push({ index, probability: buffers.probabilities[drawn]! * (1 - share) });
    close(lottery, open, index, draws);
  }
  return { probabilities, draws, heldOut };
};

/** @param probabilities of the candidates, `none` last */
const moveToNone = (probabilities: number[], holdouts: readonly number[]): void => {
  const none = probabilities.length - 1;
  for (let i = 0; i < none; i++) {
    const withheld = probabilities[i]! * holdouts[i]!;
    if (withheld === 0) continue;
    probabilities[i] = probabilities[i]! * (1 - holdouts[i]!);
    probabilities[none]! += withheld;
  }
};

/** Writes the support of this slot and its probabilities; returns its size. */
const fillSlot = (lottery: Lottery, b: Buffers, all: number, slot: number): number => {
  const { count, allowNone, priorities, method, explorable } = lottery;
  const none = allowNone ? count : -1;
  let best = -1;
  let n = 0;
  for (let i = 0; i < all; i++) {
    if (b.open[i] === 0) continue;
    if (best < 0 || priorities[i]! > priorities[best]!) best = i;
    if (i === none || explorable[i] === 1) b.support[n++] = i;
  }
  if (best < 0) return 0;
  if (method === 'none' && none >= 0) return certain(b, none);
  if (method === 'uniform' || method === 'none') return uniformly(b, none, n, best);
  if (method === 'off' || (best !== none && explorable[best] === 0) || n === 0) return certain(b, best);
  for (let k = 0; k < n; k++) {
    const i = b.support[k]!;
    b.scores[k] = priorities[i]!;
    b.gammas[k] = lottery.gammas[i]!;
    b.errors[k] = lottery.standardErrors[i] ?? 0;
  }
  const arms = { count: n, priorities: b.scores, gammas: b.gammas, standardErrors: b.errors };
  distribute(lottery.policy, arms, (lottery.seed + slot) % SEEDS, b.probabilities);
  return n;
};

const certain = (b: Buffers, index: number): number => {
  b.support[0] = index;
  b.probabilities[0] = 1;
  return 1;
};

/** Over what may be explored; `none` only where nothing may. */
const uniformly = (b: Buffers, none: number, n: number, best: number): number => {
  if (n === 0) return certain(b, best);
  const size = none >= 0 && n > 1 ? n - 1 : n;
  uniform(size, b.probabilities);
  return size;
};

const close = (lottery: Lottery, open: Uint8Array, index: number, draws: readonly Draw[]): void => {
  open[index] = 0;
  const { kinds, perKind, count } = lottery;
  if (kinds === null) return;
  const kind = kinds[index]!;
  let used = 0;
  for (const draw of draws) if (kinds[draw.index] === kind) used++;
  if (used >= perKind) for (let i = 0; i < count; i++) if (kinds[i] === kind) open[i] = 0;
};
