/**
 * q̂ by the head's own ridge: a part that all actions share over x, and a part of each action's own, whose prior mean is the shared prediction
 * (docs/learning.md). Linear in x, for rewards of any scale; O(d²) a round.
 */
import { conjugateGradient } from '../head/conjugate-gradient.ts';
import { OwnPart } from '../head/own-part.ts';
import { createSparseRow } from '../head/sparse-row.ts';
import type { RewardModel } from './cross-fit.ts';
import type { LoggedRounds } from './logged-rounds.ts';

export interface RidgeOptions {
  /** Length of x; x[0] should be 1. */
  readonly dims: number;
  /** n × dims, by rows. */
  readonly x: Float64Array;
  /** n × K: which action stands at a place, from 0; -1 is none. Default: the place itself. */
  readonly identity?: Int32Array;
  /** As many rounds that say 0, for each dimension. Default 1. */
  readonly sharedRidge?: number;
  /** As many rounds that say what the shared part does. Default 10. */
  readonly ownRidge?: number;
}

export const ridgeRewardModel =
  (log: LoggedRounds, { dims, x, identity, sharedRidge = 1, ownRidge = 10 }: RidgeOptions): RewardModel =>
  (rows) => {
    const identityOf = (row: number, place: number): number => identity?.[row * log.actions + place] ?? place;
    const nothing = createSparseRow(1);
    const shared = new OwnPart(dims);
    for (const row of rows) learn(shared, rowOf(x, row, dims), log.reward[row]!, nothing);
    solve(shared, sharedRidge);
    const owns = new Map<number, OwnPart>();
    for (const row of rows) {
      const id = identityOf(row, log.action[row]!);
      let own = owns.get(id);
      if (own === undefined) owns.set(id, (own = new OwnPart(dims)));
      const at = rowOf(x, row, dims);
      learn(own, at, log.reward[row]! - dot(shared.means, at), nothing);
    }
    for (const own of owns.values()) solve(own, ownRidge);
    return (row, out, at) => {
      const values = rowOf(x, row, dims);
      const base = dot(shared.means, values);
      for (let place = 0; place < log.actions; place++) {
        const id = identityOf(row, place);
        const own = owns.get(id);
        out[at + place] = id < 0 ? 0 : base + (own === undefined ? 0 : dot(own.means, values));
      }
    };
  };

const learn = (part: OwnPart, phi: Float64Array, reward: number, nothing: ReturnType<typeof createSparseRow>): void =>
  part.learn(phi, nothing, 1, 1, reward);

const solve = (part: OwnPart, ridge: number): void =>
  void conjugateGradient({
    a: part.a,
    dims: part.dims,
    ridge: new Float64Array(part.dims).fill(ridge),
    rhs: part.b,
    x: part.means,
    iterations: part.dims * 3,
  });

const rowOf = (x: Float64Array, row: number, dims: number): Float64Array => x.subarray(row * dims, (row + 1) * dims);

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};
