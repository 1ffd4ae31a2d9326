/** The value of every feature at one moment, from the registers. */
import { MINUTE_MS } from '#contracts';
import type { CompiledFeature, FeatureSet } from '../definitions/feature-set.ts';
import { NEGLIGIBLE } from './sections.ts';
import type { Registers } from './customer-state.ts';

/**
 * float32, in the order of `featureSet.names`. A window's oldest bucket counts by the part of it that is still inside, so a windowed
 * value is off by at most that bucket's content. A moment before the newest event is answered as of that event.
 */
export const evaluateFeatures = (registers: Registers, featureSet: FeatureSet, nowMs: number): Float32Array => {
  const out = new Float32Array(featureSet.features.length);
  const atMs = Math.max(nowMs, registers.refMs);
  const factors = featureSet.halfLives.map(({ ms }) => 2 ** ((registers.refMs - atMs) / ms));
  for (const feature of featureSet.features) out[feature.index] = evaluate(feature, registers, atMs, factors);
  return out;
};

const evaluate = (feature: CompiledFeature, { values, refMs }: Registers, atMs: number, factors: readonly number[]): number => {
  const { definition, slot, run } = feature;
  const empty = definition.default;
  switch (feature.kind) {
    case 'recency':
      return Number.isNaN(values[slot]) ? empty : Math.max(0, atMs - values[slot]! * MINUTE_MS) / definition.unitMs;
    case 'last':
      return Number.isNaN(values[slot]) ? empty : values[slot]!;
    case 'decay':
      if (definition.aggregate !== 'mean') return values[slot]! * factors[feature.halfLife]!;
      return values[slot + 1]! < NEGLIGIBLE ? empty : values[slot]! / values[slot + 1]!;
    case 'ever':
      if (definition.aggregate === 'mean') return values[slot + 1] === 0 ? empty : values[slot]! / values[slot + 1]!;
      return Number.isNaN(values[slot]) ? empty : values[slot]!;
    case 'window':
      return evaluateWindow(values, slot, run, feature, refMs, atMs);
  }
};

const evaluateWindow = (values: Float64Array, slot: number, run: number, feature: CompiledFeature, refMs: number, atMs: number): number => {
  const { definition, widthMs } = feature;
  const now = atMs / widthMs;
  const newest = Math.floor(now);
  const oldest = newest - run + 1;
  const oldestWeight = 1 - (now - newest);
  const filled = Math.floor(refMs / widthMs);
  let sum = 0;
  let count = 0;
  let extreme = Number.NaN;
  for (let bucket = Math.max(oldest, 0, filled - run + 1); bucket <= filled; bucket++) {
    const place = slot + (bucket % run);
    const weight = bucket === oldest ? oldestWeight : 1;
    const value = values[place]!;
    if (definition.aggregate === 'min') extreme = value >= extreme ? extreme : Number.isNaN(value) ? extreme : value;
    else if (definition.aggregate === 'max') extreme = value <= extreme ? extreme : Number.isNaN(value) ? extreme : value;
    else {
      sum += value * weight;
      if (definition.aggregate === 'mean') count += values[place + run]! * weight;
    }
  }
  if (definition.aggregate === 'mean') return count === 0 ? definition.default : sum / count;
  if (definition.aggregate === 'min' || definition.aggregate === 'max') return Number.isNaN(extreme) ? definition.default : extreme;
  return sum;
};
