/** When decisions ask the store and when they do not. */
import { expect, test } from 'vitest';
import { createStoreCircuit } from './store-circuit.ts';

test('a store that does not answer is waited for by nobody, tried once in a hundred milliseconds, and asked by all once it answers', () => {
  let nowMs = 0;
  const circuit = createStoreCircuit(() => nowMs);
  for (let i = 0; i < 10; i++) {
    expect(circuit.mayAsk()).toBe(true);
    circuit.failed();
  }
  expect([circuit.mayAsk(), circuit.mayTry()]).toEqual([false, false]);
  nowMs = 101;
  expect([circuit.mayAsk(), circuit.mayTry(), circuit.mayTry()]).toEqual([false, true, false]);
  circuit.failed();
  nowMs = 150;
  expect(circuit.mayTry()).toBe(false);
  nowMs = 202;
  expect([circuit.mayAsk(), circuit.mayTry()]).toEqual([false, true]);
  circuit.answered();
  expect([circuit.mayAsk(), circuit.mayAsk()]).toEqual([true, true]);
});

test('failures between answers keep nobody from asking', () => {
  const circuit = createStoreCircuit(() => 0);
  for (let i = 0; i < 1_000; i++) {
    if (i % 3 === 0) circuit.answered();
    else circuit.failed();
    expect(circuit.mayAsk()).toBe(true);
  }
});
