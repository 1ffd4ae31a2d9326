/** What another model would do in the first slot of a logged decision: the same candidates, weights and exploration, with its scores instead. */
import type { ActionProfile } from '#contracts';
import { createUniformState, errorFromCounts, errorSourceOf, gammaOf, resolvePolicy } from '#models/exploration';
import type { Catalog } from '../catalog/types.ts';
import { arbitrate } from './arbitrate.ts';

/** As the receipt has it; arrays in the order of the candidates. */
export interface LoggedMoment {
  /** Empty for the catalog's own loop. */
  readonly loop: string;
  readonly candidates: readonly ActionProfile[];
  readonly propensities: readonly number[];
  readonly priorities: readonly number[];
  /** `none` took part. */
  readonly allowsNone: boolean;
}

export interface OtherScores {
  readonly propensities: ArrayLike<number>;
  readonly effectiveN: ArrayLike<number>;
  /** Of the whole model. */
  readonly modelEffectiveN: number;
}

const state = createUniformState();

/**
 * @returns one probability a candidate, and one for `none` where it takes part; they sum to 1
 *
 * Policies that draw by the posterior's errors are computed with errors from counts.
 */
export const firstSlotUnder = (
  catalog: Pick<Catalog, 'exploration' | 'ownExploration' | 'nonePriority' | 'actions' | 'indexOf'>,
  moment: LoggedMoment,
  scores: OtherScores,
): readonly number[] => {
  const n = moment.candidates.length;
  const own = moment.loop !== '';
  const exploration = own ? catalog.ownExploration : catalog.exploration;
  const priorities: number[] = [];
  const gammas: number[] = [];
  const standardErrors: number[] = [];
  const explorable = new Uint8Array(n + 1).fill(1);
  const hasErrors = errorSourceOf(exploration) !== null;
  for (let i = 0; i < n; i++) {
    const propensity = scores.propensities[i]!;
    // Weight, value and levers are the ratio of the two; a caller's own candidates have none.
    const factor = own || moment.propensities[i] === 0 ? 1 : moment.priorities[i]! / moment.propensities[i]!;
    priorities.push(propensity * factor);
    gammas.push(gammaOf(scores.effectiveN[i]!, exploration.gammas));
    if (hasErrors) standardErrors.push(errorFromCounts(propensity, scores.effectiveN[i]!, null) * Math.abs(factor));
    const index = own ? undefined : catalog.indexOf.get(moment.candidates[i]!.id);
    if (index !== undefined && !catalog.actions[index]!.explore) explorable[i] = 0;
  }
  if (moment.allowsNone) {
    priorities.push(own ? 0 : catalog.nonePriority);
    gammas.push(Math.max(exploration.gammas.base, ...gammas));
  }
  const drawn = arbitrate(
    {
      count: n,
      allowNone: moment.allowsNone,
      priorities,
      gammas,
      standardErrors,
      explorable,
      kinds: null,
      perKind: Infinity,
      method: 'policy',
      policy: resolvePolicy(exploration, scores.modelEffectiveN),
      slots: 1,
      seed: 0,
    },
    state,
  );
  return drawn.probabilities;
};
