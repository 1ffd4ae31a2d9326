/** Seeded randomness: a stream (sfc32) for what happens in order, and hashes for what must not depend on order. */
import { hash32, hashUnit } from '#contracts';

/** Uniform in [0, 1). */
export type Random = () => number;

/** Small Fast Counter (Chris Doty-Humphrey, PractRand), 128 bits of state. */
export const createRandom = (seed: number | string): Random => {
  const text = String(seed);
  let [a, b, c, counter] = [hash32(text, 1), hash32(text, 2), hash32(text, 3), 1];
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) / 0x1_0000_0000;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
};

/** Standard normal (Box and Muller 1958). */
export const normal = (random: Random): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** A standard normal that depends on nothing but the text. */
export const hashNormal = (text: string): number =>
  Math.sqrt(-2 * Math.log(1 - hashUnit(text, 11))) * Math.cos(2 * Math.PI * hashUnit(text, 12));

/** Waiting time of a Poisson process. @param rate events a ms */
export const exponential = (random: Random, rate: number): number => -Math.log(1 - random()) / rate;

export const pick = <T>(random: Random, items: readonly T[]): T => items[Math.floor(random() * items.length)]!;

/** @param weights positive, in the order of `items` */
export const pickWeighted = <T>(random: Random, items: readonly T[], weights: readonly number[]): T => {
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [index, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return items[index]!;
  }
  return items.at(-1)!;
};
