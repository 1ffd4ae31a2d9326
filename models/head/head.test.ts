import fc from 'fast-check';
import { expect, test } from 'vitest';
import { conjugateGradient } from './conjugate-gradient.ts';
import { ridgeOf } from './evidence.ts';
import { SharedPart } from './shared-part.ts';
import { createSparseRow, push } from './sparse-row.ts';

test('conjugate gradients solve a ridge exactly in as many steps as it has dimensions', () => {
  const dims = 6;
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.integer({ min: -3, max: 3 }), { minLength: dims, maxLength: dims }), { minLength: 1, maxLength: 20 }),
      (rows) => {
        const a = new Float64Array((dims * (dims + 1)) / 2);
        const rhs = new Float64Array(dims);
        const ridge = Float64Array.from({ length: dims }, (_, i) => 1 + i);
        for (const row of rows) {
          for (let i = 0; i < dims; i++) {
            for (let j = 0; j <= i; j++) a[(i * (i + 1)) / 2 + j]! += row[i]! * row[j]!;
            rhs[i]! += row[i]!;
          }
        }
        const x = new Float64Array(dims);
        for (let round = 0; round < 4; round++) conjugateGradient({ a, dims, ridge, rhs, x, iterations: dims });
        for (let i = 0; i < dims; i++) {
          let left = ridge[i]! * x[i]!;
          for (let j = 0; j < dims; j++) left += a[j <= i ? (i * (i + 1)) / 2 + j : (j * (j + 1)) / 2 + i]! * x[j]!;
          expect(left).toBeCloseTo(rhs[i]!, 2);
        }
      },
    ),
    { seed: 31, numRuns: 50 },
  );
});

test('the shared part learns what was met and nothing else, and restores', () => {
  const part = new SharedPart(4096);
  const row = createSparseRow(4);
  for (let i = 0; i < 400; i++) {
    row.count = 0;
    push(row, 0, 1);
    push(row, i % 2 === 0 ? 4000 : 17, 1);
    part.learn(row, 1, i % 2 === 0 ? 1 : 0);
  }
  part.solve(() => 1e-3, 20);
  expect(part.means[0]! + part.means[4000]!).toBeCloseTo(1, 2);
  expect(part.means[0]! + part.means[17]!).toBeCloseTo(0, 2);
  expect(part.met).toEqual([0, 4000, 17]);
  expect(part.means[1]).toBe(0);
  const { met, a, b } = part.packed;
  const twin = new SharedPart(4096);
  twin.restore(met, a.slice(), b.slice());
  twin.solve(() => 1e-3, 40);
  expect(twin.means[4000]).toBeCloseTo(part.means[4000]!, 3);
});

test('a kind whose weights turn out small is held closer to 0, and without evidence the prior ridge stands', () => {
  expect(ridgeOf({ squares: 0, decided: 0 }, 0.05, 20)).toBeCloseTo(20, 9);
  expect(ridgeOf({ squares: 0.0001, decided: 30 }, 0.05, 20)).toBeGreaterThan(100);
  expect(ridgeOf({ squares: 3, decided: 30 }, 0.05, 20)).toBeLessThan(1);
});
