/** What another model would do in a slot of a logged decision: the same candidates, weights and exploration, with its scores instead. */
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
  /** Of the candidates; empty: none was. Measuring harm is not the model's choice, so any other would be withheld alike. */
  readonly holdouts?: readonly number[];
  /** Of the candidates, taken off their priorities; empty: nothing was. What contacting does is not the model's either. */
  readonly contactCosts?: readonly number[];
  /** Places of the candidates that stand in the slots above; default none: it is slot 1. */
  readonly above?: readonly number[];
}

export interface OtherScores {
  readonly propensities: ArrayLike<number>;
  readonly effectiveN: ArrayLike<number>;
  /** Of the whole model. */
  readonly modelEffectiveN: number;
}

const state = createUniformState();

/**
 * @returns one probability a candidate, and one for `none` where it takes part; they sum to 1, or to 0 where the slots above have left nobody
 *
 * Policies that draw by the posterior's errors are computed with errors from counts.
 */
export const slotUnder = (
  catalog: Pick<Catalog, 'exploration' | 'ownExploration' | 'nonePriority' | 'perTopic' | 'actions' | 'indexOf'>,
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
    const cost = moment.contactCosts?.[i] ?? 0;
    const factor = own || moment.propensities[i] === 0 ? 1 : (moment.priorities[i]! + cost) / moment.propensities[i]!;
    priorities.push(propensity * factor - cost);
    gammas.push(gammaOf(scores.effectiveN[i]!, exploration.gammas));
    if (hasErrors) standardErrors.push(errorFromCounts(propensity, scores.effectiveN[i]!, null) * Math.abs(factor));
    const index = own ? undefined : catalog.indexOf.get(moment.candidates[i]!.id);
    if (index !== undefined && !catalog.actions[index]!.explore) explorable[i] = 0;
  }
  if (moment.allowsNone) {
    priorities.push(own ? 0 : catalog.nonePriority);
    gammas.push(Math.max(exploration.gammas.base, ...gammas));
  }
  const open = openPlaces(catalog, moment);
  const places = moment.allowsNone ? [...open, n] : open;
  const of = <T>(values: readonly T[]): T[] => places.map((place) => values[place]!);
  const drawn = arbitrate(
    {
      count: open.length,
      allowNone: moment.allowsNone,
      priorities: of(priorities),
      gammas: of(gammas),
      standardErrors: hasErrors ? open.map((place) => standardErrors[place]!) : [],
      explorable: Uint8Array.from(places, (place) => explorable[place]!),
      kinds: null,
      perKind: Infinity,
      method: 'policy',
      policy: resolvePolicy(exploration, scores.modelEffectiveN),
      slots: 1,
      seed: 0,
      holdouts: (moment.holdouts?.length ?? 0) === 0 || !moment.allowsNone ? null : of([...moment.holdouts!, 0]),
    },
    state,
  );
  const probabilities = new Array<number>(priorities.length).fill(0);
  places.forEach((place, i) => (probabilities[place] = drawn.probabilities[i]!));
  return probabilities;
};

/** Without those above, and those whose topic has all that an answer may hold of it. */
const openPlaces = (
  { perTopic, actions, indexOf }: Pick<Catalog, 'perTopic' | 'actions' | 'indexOf'>,
  { loop, candidates, above = [] }: LoggedMoment,
): number[] => {
  const places = candidates.map((_, place) => place);
  if (above.length === 0) return places;
  const topicOf = (place: number): string | undefined => actions[indexOf.get(candidates[place]!.id) ?? -1]?.topic;
  const used = new Map<string | undefined, number>();
  for (const place of above) used.set(topicOf(place), (used.get(topicOf(place)) ?? 0) + 1);
  const isFull = (place: number): boolean => {
    const topic = loop === '' ? topicOf(place) : undefined;
    return topic !== undefined && (used.get(topic) ?? 0) >= perTopic;
  };
  return places.filter((place) => !above.includes(place) && !isFull(place));
};
