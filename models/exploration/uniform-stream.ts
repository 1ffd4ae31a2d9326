/** Uniform numbers from a decision's seed: sfc32 (PractRand's small fast counter), the same on every machine. */

export interface UniformState {
  a: number;
  b: number;
  c: number;
  counter: number;
}

export const createUniformState = (): UniformState => ({ a: 0, b: 0, c: 0, counter: 1 });

/** @param seed an integer in [0, 2^53) */
export const seedUniform = (state: UniformState, seed: number): void => {
  state.a = seed >>> 0;
  state.b = Math.floor(seed / 0x100000000) >>> 0;
  state.c = 0x41747475;
  state.counter = 1;
  for (let i = 0; i < 12; i++) next32(state);
};

/** In [0, 1), 53 bits. */
export const nextUniform = (state: UniformState): number => {
  const high = next32(state) >>> 5;
  const low = next32(state) >>> 6;
  return (high * 0x4000000 + low) / 0x20000000000000;
};

const next32 = (state: UniformState): number => {
  const sum = (state.a + state.b + state.counter) | 0;
  state.counter = (state.counter + 1) | 0;
  state.a = state.b ^ (state.b >>> 9);
  state.b = (state.c + (state.c << 3)) | 0;
  state.c = ((state.c << 21) | (state.c >>> 11)) + sum;
  return sum >>> 0;
};
