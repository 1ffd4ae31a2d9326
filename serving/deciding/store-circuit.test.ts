/** When decisions ask the store and when they do not. */
import { expect, test } from 'vitest';
import { createStoreCircuit } from './store-circuit.ts';

test('a store that does not answer is asked by one in a hundred milliseconds, and by all once it does', () => {
  let nowMs = 0;
  const circuit = createStoreCircuit(() => nowMs);
  for (let i = 0; i < 10; i++) {
    expect(circuit.mayAsk()).toBe(true);
    circuit.failed();
  }
  expect(circuit.mayAsk()).toBe(false);
  nowMs = 101;
  expect([circuit.mayAsk(), circuit.mayAsk()]).toEqual([true, false]);
  circuit.failed();
  nowMs = 150;
  expect(circuit.mayAsk()).toBe(false);
  nowMs = 202;
  expect(circuit.mayAsk()).toBe(true);
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
