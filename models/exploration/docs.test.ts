import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { distribute } from './index.ts';

const page = readFileSync(new URL('../../docs/exploration.md', import.meta.url), 'utf8');
const listOf = (name: string): number[] => new RegExp(`^${name} +(.*)$`, 'm').exec(page)![1]!.split(' ').map(Number);
const examples = [...page.matchAll(/^(\w+) (\[.*\]) -> (.*)$/gm)].map(([, name, parameters, expected]) => ({ name, parameters, expected }));

test('every policy has an example in docs/exploration.md', () => {
  expect(new Set(examples.map(({ name }) => name))).toEqual(
    new Set(['inverseGap', 'thompson', 'thompsonDraws', 'softmax', 'epsilonGreedy', 'greedy', 'uniform']),
  );
});

test.each(examples)('docs/exploration.md: $name $parameters', ({ name, parameters, expected }) => {
  const arms = { count: 4, priorities: listOf('priorities'), gammas: listOf('gammas'), standardErrors: listOf('standardErrors') };
  const policy = { name: name!, parameters: JSON.parse(parameters!) as number[] };
  const found = distribute(policy, arms, 7, new Float64Array(4));
  expect([...found].map((p) => p.toFixed(4)).join(' ')).toBe(expected);
});
