/** Compiles the sections `exploration` and `ownExploration` of policies.yaml: which policy draws, and its parameters. */
import { DEFAULT_EXPLORATION, LEAST_DRAWS, POLICY_NAMES } from '#models/exploration';
import type { ExplorationSpec, GammaSchedule } from '#models/exploration';
import type { Reader } from './reader.ts';

type PolicyName = (typeof POLICY_NAMES)[number];

/** What may stand beside `policy` and `floor`. */
const FIELDS: Readonly<Record<PolicyName, readonly string[]>> = {
  inverseGap: ['base', 'factor', 'exponent', 'limit'],
  thompson: ['draws', 'correlation'],
  neuralLinear: ['draws', 'correlation'],
  softmax: ['temperature'],
  epsilonGreedy: ['epsilon', 'decay', 'least'],
  greedy: [],
  uniform: [],
};

/** Where a policy gives nothing to some arms, this much is left to each: the weights of replay stay below its inverse. */
const DEFAULT_FLOOR = 1e-4;
const FLOORED: ReadonlySet<PolicyName> = new Set(['thompson', 'neuralLinear', 'softmax']);
const UNIT = { min: 0, max: 1 };

/** @param otherwise where the project declares nothing */
export const compileExploration = (reader: Reader | null, otherwise: ExplorationSpec): ExplorationSpec => {
  if (reader === null) return otherwise;
  const policy = reader.oneOf('policy', POLICY_NAMES, 'inverseGap');
  reader.only(['policy', 'floor', ...FIELDS[policy]], `the exploration policy '${policy}'`);
  const floor = reader.number('floor', FLOORED.has(policy) ? DEFAULT_FLOOR : 0, UNIT);
  const gammas = compileGammas(reader);
  switch (policy) {
    case 'softmax':
      return { policy, floor, gammas, temperature: reader.number('temperature', 0.1, { min: 1e-6, max: 1_000 }) };
    case 'epsilonGreedy':
      return {
        policy,
        floor,
        gammas,
        epsilon: reader.number('epsilon', 0.1, UNIT),
        decay: reader.number('decay', Infinity, { min: 1 }),
        least: reader.number('least', 0, UNIT),
      };
    case 'thompson':
    case 'neuralLinear': {
      const draws = reader.number('draws', 0, { min: LEAST_DRAWS, max: 100_000 });
      const correlation = reader.number('correlation', 0, UNIT);
      if (correlation > 0 && draws === 0)
        reader.fault('correlation', `'correlation' needs 'draws' of at least ${LEAST_DRAWS}: only independent arms have a quadrature`);
      return { policy, floor, gammas, draws, correlation };
    }
    default:
      return { policy, floor, gammas };
  }
};

/** Effective sample sizes are recorded as γ whatever the policy. */
const compileGammas = (reader: Reader): GammaSchedule => {
  const { base, factor, exponent, limit } = DEFAULT_EXPLORATION.gammas;
  const positive = { min: 0 };
  return {
    base: reader.number('base', base, positive),
    factor: reader.number('factor', factor, positive),
    exponent: reader.number('exponent', exponent, { min: 0, max: 2 }),
    limit: reader.number('limit', limit, positive),
  };
};
