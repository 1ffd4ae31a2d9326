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
  /** Length of x; one of its entries should always be 1. */
  readonly dims: number;
  /** x of a place of a round; it may be the same for all places. Read at once, so a buffer may be reused. */
  readonly x: (row: number, place: number) => Float64Array;
  /** Which action stands at a place of a round, from 0; −1 is none, which is worth 0. Default: the place itself. */
  readonly identity?: (row: number, place: number) => number;
  /** As many rounds that say 0, for each dimension. Default 1. */
  readonly sharedRidge?: number;
  /** As many rounds that say what the shared part does. Default 10. */
  readonly ownRidge?: number;
}

export const ridgeRewardModel =
  (log: LoggedRounds, { dims, x, identity = (_, place) => place, sharedRidge = 1, ownRidge = 10 }: RidgeOptions): RewardModel =>
  (rows) => {
    const shared = new OwnPart(dims);
    const acted = rows.filter((row) => identity(row, log.action[row]!) >= 0);
    for (const row of acted) learn(shared, x(row, log.action[row]!), log.reward[row]!);
    solve(shared, sharedRidge);
    const owns = new Map<number, OwnPart>();
    for (const row of acted) {
      const place = log.action[row]!;
      const id = identity(row, place);
      let own = owns.get(id);
      if (own === undefined) owns.set(id, (own = new OwnPart(dims)));
      const values = x(row, place);
      learn(own, values, log.reward[row]! - dot(shared.means, values));
    }
    for (const own of owns.values()) solve(own, ownRidge);
    return (row, out, at) => {
      for (let place = 0; place < log.actions; place++) {
        const id = identity(row, place);
        if (id < 0) out[at + place] = 0;
        else {
          const values = x(row, place);
          const own = owns.get(id);
          out[at + place] = dot(shared.means, values) + (own === undefined ? 0 : dot(own.means, values));
        }
      }
    };
  };

const NOTHING = createSparseRow(1);

const learn = (part: OwnPart, x: Float64Array, reward: number): void => part.learn(x, NOTHING, 1, 1, reward);

const solve = (part: OwnPart, ridge: number): void =>
  void conjugateGradient({
    a: part.a,
    dims: part.dims,
    ridge: new Float64Array(part.dims).fill(ridge),
    rhs: part.b,
    x: part.means,
    iterations: part.dims * 3,
  });

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};
