/** What each exploration policy costs a decision in processor time, and how far Thompson sampling's quadrature lies from ten million draws. */
import { createUniformState, distribute, nextUniform, resolvePolicy, seedUniform, DEFAULT_GAMMA_SCHEDULE } from '#models/exploration';
import type { Arms, ExplorationSpec } from '#models/exploration';
import { cpuMs } from './cpu-ms.ts';
import { measureVariances } from './exploration/variances.ts';
import { normalQuantile } from '../models/exploration/normal-distribution.ts';

const ACTIONS = 60;
const PROBLEMS = 256;
const MS = 700;
const DRAWS = 10_000_000;
const gammas = DEFAULT_GAMMA_SCHEDULE;
const specs: Readonly<Record<string, ExplorationSpec>> = {
  inverseGap: { policy: 'inverseGap', floor: 0, gammas },
  thompson: { policy: 'thompson', floor: 1e-4, gammas, draws: 0, correlation: 0 },
  thompsonDraws: { policy: 'thompson', floor: 1e-4, gammas, draws: 1_000, correlation: 0.3 },
  softmax: { policy: 'softmax', floor: 1e-4, gammas, temperature: 0.1 },
  epsilonGreedy: { policy: 'epsilonGreedy', floor: 0, gammas, epsilon: 0.1, decay: 10_000, least: 0.01 },
  greedy: { policy: 'greedy', floor: 0, gammas },
  uniform: { policy: 'uniform', floor: 0, gammas },
};

const uniforms = createUniformState();
seedUniform(uniforms, 20_261_125);
const next = (): number => nextUniform(uniforms);

/** Rates of a telecom's offers, each known to its own number of showings: from a handful to 100,000. */
const createArms = (count: number): Arms => {
  const rates = Array.from({ length: count }, () => 0.01 + 0.14 * next());
  const values = Array.from({ length: count }, () => 5 + 45 * next());
  const shown = Array.from({ length: count }, () => 10 ** (0.5 + 4.5 * next()));
  return {
    count,
    priorities: rates.map((rate, i) => rate * values[i]!),
    gammas: shown.map((n) => Math.min(20_000, 5 + 800 * n ** 0.65)),
    standardErrors: rates.map((rate, i) => values[i]! * Math.sqrt((rate * (1 - rate)) / shown[i]!)),
  };
};

const problems = Array.from({ length: PROBLEMS }, () => createArms(ACTIONS));
const microseconds = (spec: ExplorationSpec): number => {
  const policy = resolvePolicy(spec, 5_000);
  const out = new Float64Array(ACTIONS);
  let done = 0;
  const round = (until: number): void => {
    while (performance.now() < until) for (let k = 0; k < 8; k++) distribute(policy, problems[done % PROBLEMS]!, done++, out);
  };
  round(performance.now() + MS / 2);
  done = 0;
  const started = cpuMs();
  round(performance.now() + MS);
  return ((cpuMs() - started) * 1_000) / done;
};

/** Largest distance of a probability from its share in ten million draws, in one problem; the draws' own error is up to 1.6e-4. */
const distance = (arms: Arms): { readonly largest: number; readonly inErrors: number } => {
  const { count, priorities, standardErrors } = arms;
  const p = distribute({ name: 'thompson', parameters: [0] }, arms, 1, new Float64Array(count));
  const wins = new Float64Array(count);
  for (let k = 0; k < DRAWS; k++) {
    let best = -Infinity;
    let winner = 0;
    for (let i = 0; i < count; i++) {
      const worth = priorities[i]! + standardErrors[i]! * normalQuantile(next());
      if (worth > best) {
        best = worth;
        winner = i;
      }
    }
    wins[winner]!++;
  }
  let largest = 0;
  let inErrors = 0;
  for (let i = 0; i < count; i++) {
    const gap = Math.abs(wins[i]! / DRAWS - p[i]!);
    largest = Math.max(largest, gap);
    inErrors = Math.max(inErrors, gap / Math.sqrt(Math.max(p[i]! * (1 - p[i]!), 1e-7) / DRAWS));
  }
  return { largest, inErrors };
};

const us = Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, Number(microseconds(spec).toFixed(2))]));
console.table(Object.entries(us).map(([policy, microsecondsADecision]) => ({ policy, microsecondsADecision })));
const distances = [4, 8, 12].map((count) => ({ arms: count, ...distance(createArms(count)) }));
console.table(distances);
const variances = measureVariances(6_000);
console.table([variances]);
const closed = Math.max(us['inverseGap']!, us['softmax']!, us['epsilonGreedy']!, us['greedy']!, us['uniform']!);
console.log(
  JSON.stringify({
    bench: 'exploration',
    actions: ACTIONS,
    closedFormUs: closed,
    thompsonUs: us['thompson'],
    thompsonDrawsUs: us['thompsonDraws'],
    variances: Object.fromEntries(Object.entries(variances).map(([key, value]) => [key, Number(value.toFixed(1))])),
    drawsReference: DRAWS,
    largestError: Number(Math.max(...distances.map(({ largest }) => largest)).toExponential(2)),
    largestErrorInStandardErrors: Number(Math.max(...distances.map(({ inErrors }) => inErrors)).toFixed(2)),
    targets: { closedFormUs: 30, thompsonUs: 200, largestError: 1e-4 },
  }),
);
