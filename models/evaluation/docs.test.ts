/** The example of docs/evaluation.md is run. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as evaluation from './index.ts';

const page = readFileSync(new URL('../../docs/evaluation.md', import.meta.url), 'utf8');
const numbersOf = (name: string): number[] =>
  new RegExp(`${name}[:=] \\w+\\.of\\((.*)\\)|const ${name} = \\w+\\.of\\((.*)\\)`)
    .exec(page)!
    .slice(1)
    .find(Boolean)!
    .split(', ')
    .map(Number);
const log: evaluation.LoggedRounds = {
  actions: 2,
  action: Int32Array.from(numbersOf('action')),
  reward: Float64Array.from(numbersOf('reward')),
  probability: Float64Array.from(numbersOf('probability')),
};
const policy = Float64Array.from(numbersOf('policy'));
const rewards = Float64Array.from(numbersOf('rewards'));
const ESTIMATORS: Readonly<Record<string, () => evaluation.Terms>> = {
  inversePropensity: () => evaluation.inversePropensity(log, policy),
  selfNormalisedInversePropensity: () => evaluation.selfNormalisedInversePropensity(log, policy),
  doublyRobust: () => evaluation.doublyRobust(log, policy, rewards),
};
const examples = [...page.matchAll(/^ +valueOf\((\w+)\(.*\)\) -> (.*)$/gm)].map(([, name, expected]) => ({
  name: name!,
  expected: expected!,
}));

test('docs/evaluation.md has an example of each of the three', () => {
  expect(examples.map(({ name }) => name)).toEqual(Object.keys(ESTIMATORS));
});

test.each(examples)('docs/evaluation.md: $name', ({ name, expected }) => {
  evaluation.checkRounds(log, policy, rewards);
  expect(evaluation.valueOf(ESTIMATORS[name]!()).toFixed(4)).toBe(expected);
});
