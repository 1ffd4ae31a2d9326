/** Model zero's trunk: random Fourier features of a Gaussian kernel (Rahimi & Recht 2007); needs no training. */
import { trunkOf, type Trunk } from './trunk.ts';

/** @param bandwidth standard deviation of W in radians: the larger, the finer the functions that it can follow */
export const randomFourierFeatures = (options: {
  inputs: number;
  outputs: number;
  seed: number;
  bandwidth: number;
  norm: number;
}): Trunk => {
  const { inputs, outputs, seed, bandwidth, norm } = options;
  const next = mulberry32(seed);
  const gauss = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const w = Float32Array.from({ length: inputs * outputs }, () => (gauss() * bandwidth) / (2 * Math.PI));
  const b = Float32Array.from({ length: outputs }, next);
  return trunkOf([{ kind: 'fourier', inputs, outputs, w, b, scale: Math.fround(norm * Math.sqrt(2 / outputs)) }]);
};

/** 32 bits of state; enough for weights that are stored in the artifact anyway. */
const mulberry32 = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};
