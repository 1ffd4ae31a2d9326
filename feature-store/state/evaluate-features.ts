/** The value of every feature at one moment, from the registers. */
import { MINUTE_MS } from '#contracts';
import type { CompiledFeature, FeatureSet } from '../definitions/feature-set.ts';
import type { ByteReader } from './bytes.ts';
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

/** The same from the stored section, without registers between: the path of a decision. */
export const evaluateStored = (reader: ByteReader, featureSet: FeatureSet, nowMs: number): Float32Array => {
  const { features, halfLives } = featureSet;
  const out = featureSet.defaults.slice();
  if (reader.done) return out;
  const refMs = reader.u48();
  const atMs = Math.max(nowMs, refMs);
  const factors = new Array<number>(halfLives.length);
  for (let i = 0; i < halfLives.length; i++) factors[i] = 2 ** ((refMs - atMs) / halfLives[i]!.ms);
  const bits = reader.skip((features.length + 7) >> 3);
  for (let i = 0; i < features.length; i++) {
    if ((reader.buffer[bits + (i >> 3)]! & (1 << (i & 7))) !== 0) out[i] = evaluateNext(reader, features[i]!, refMs, atMs, factors);
  }
  return out;
};

const evaluateNext = (reader: ByteReader, feature: CompiledFeature, refMs: number, atMs: number, factors: readonly number[]): number => {
  const { definition } = feature;
  const isMean = definition.aggregate === 'mean';
  switch (feature.kind) {
    case 'recency':
      return Math.max(0, atMs - (Math.floor(refMs / MINUTE_MS) - reader.varint()) * MINUTE_MS) / definition.unitMs;
    case 'last': {
      const value = reader.number()!;
      reader.varint();
      return value;
    }
    case 'decay':
      return isMean ? reader.f32() / reader.f32() : reader.f32() * factors[feature.halfLife]!;
    case 'ever':
      return isMean ? reader.number()! / reader.number()! : reader.number()!;
    default:
      return evaluateStoredWindow(reader, feature, refMs, atMs);
  }
};

const evaluateStoredWindow = (reader: ByteReader, { definition, widthMs, run }: CompiledFeature, refMs: number, atMs: number): number => {
  const { aggregate } = definition;
  const now = atMs / widthMs;
  const newest = Math.floor(now);
  const shift = newest - Math.floor(refMs / widthMs);
  const mask = reader.u8();
  let sum = 0;
  let count = 0;
  let extreme = Number.NaN;
  for (let stored = 0; mask >> stored !== 0; stored++) {
    if ((mask & (1 << stored)) === 0) continue;
    const value = reader.number()!;
    const members = aggregate === 'mean' ? reader.varint() : 0;
    const age = stored + shift;
    if (age >= run) continue;
    const weight = age === run - 1 ? 1 - (now - newest) : 1;
    if (aggregate === 'min') extreme = value >= extreme ? extreme : value;
    else if (aggregate === 'max') extreme = value <= extreme ? extreme : value;
    else {
      sum += value * weight;
      count += members * weight;
    }
  }
  if (aggregate === 'mean') return count === 0 ? definition.default : sum / count;
  if (aggregate === 'min' || aggregate === 'max') return Number.isNaN(extreme) ? definition.default : extreme;
  return sum;
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
    default:
      return evaluateWindow(values, slot, run, feature, refMs, atMs);
  }
};

const evaluateWindow = (values: number[], slot: number, run: number, feature: CompiledFeature, refMs: number, atMs: number): number => {
  const { definition, widthMs } = feature;
  const now = atMs / widthMs;
  const newest = Math.floor(now);
  const oldest = newest - run + 1;
  const oldestWeight = 1 - (now - newest);
  const filled = Math.floor(refMs / widthMs);
  let sum = 0;
  let count = 0;
  let extreme = Number.NaN;
  for (let bucket = filled; bucket >= Math.max(oldest, 0, filled - run + 1); bucket--) {
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
