/** Folds one event into attributes and feature registers, in any order of event time. */
import { MINUTE_MS, type AttributeValue, type EventRecord } from '#contracts';
import type { AttributeSetter } from '../definitions/definitions.ts';
import type { CompiledFeature, FeatureSet } from '../definitions/feature-set.ts';
import type { CustomerState, Registers } from './customer-state.ts';

const NO_SCOPE = Object.freeze({});

/** A text attribute's longest value: the state is bounded whatever the events say. */
export const MAX_TEXT = 100;

/**
 * Event time is `time`, but never after `receivedAt`: a clock that runs ahead must not age what others sent. An event whose type no
 * definition names leaves the state as it is. Folding is not idempotent: ask `hasSeen` first.
 * @param data the event's data, parsed
 */
export const foldEvent = (
  state: CustomerState,
  event: Pick<EventRecord, 'type' | 'time' | 'receivedAt'>,
  data: Readonly<Record<string, unknown>>,
  featureSet: FeatureSet = state.featureSet,
): void => {
  const plan = featureSet.plans.get(event.type);
  if (plan === undefined) return;
  const atMs = Math.max(0, Math.min(event.time, event.receivedAt));
  const scope = plan.asks ? { event: { type: event.type, data } } : NO_SCOPE;
  for (const { when, items } of plan.attributes) {
    if (when === null || when(scope)) for (const { index, setter } of items) setAttribute(state, index, setter, data, atMs);
  }
  if (plan.features.length === 0) return;
  const registers = state.registers;
  advance(registers, featureSet, atMs);
  for (const { when, items } of plan.features) {
    if (when === null || when(scope)) for (const feature of items) foldFeature(registers, feature, data, atMs);
  }
};

const setAttribute = (
  state: CustomerState,
  index: number,
  setter: AttributeSetter,
  data: Readonly<Record<string, unknown>>,
  atMs: number,
): void => {
  const given = setter.field === null ? setter.value : data[setter.field];
  const value = cutText(given);
  if (value === null || typeof value !== state.featureSet.attributes[index]!.type) return;
  const was = state.attributes[index];
  if (was !== undefined && (was.atMs > atMs || (was.atMs === atMs && !(value > was.value)))) return;
  state.attributes[index] = { value, atMs };
};

const cutText = (value: unknown): AttributeValue | null => {
  if (typeof value === 'string') return value.length > MAX_TEXT ? value.slice(0, MAX_TEXT) : value;
  return typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value)) ? value : null;
};

/** Brings decayed values and buckets to a later reference time. */
const advance = (registers: Registers, set: FeatureSet, atMs: number): void => {
  const { refMs, values } = registers;
  if (atMs <= refMs) return;
  registers.refMs = atMs;
  if (refMs === 0) return;
  for (const { ms, slots } of set.halfLives) {
    let factor = 0;
    for (const slot of slots) {
      if (values[slot] === 0) continue;
      if (factor === 0) factor = halve((atMs - refMs) / ms);
      values[slot] = Math.fround(values[slot]! * factor);
    }
  }
  if (atMs < registers.untilMs) return;
  let untilMs = Infinity;
  for (const { widthMs, features } of set.windows) {
    const from = Math.floor(refMs / widthMs);
    const to = Math.floor(atMs / widthMs);
    if (to > from) for (const feature of features) expireBuckets(values, feature, from, to, set);
    // A millisecond early: a width need not be whole, and early only costs another look.
    untilMs = Math.min(untilMs, (to + 1) * widthMs - 1);
  }
  registers.untilMs = untilMs;
};

/** 2^-x; for the small x between events that follow each other by the first terms of the exponential series, exact to float64. */
const halve = (x: number): number => {
  if (x > 1e-3) return 2 ** -x;
  const y = -x * Math.LN2;
  return 1 + y * (1 + (y / 2) * (1 + (y / 3) * (1 + y / 4)));
};

const expireBuckets = (values: number[], { run, slot, slots }: CompiledFeature, from: number, to: number, set: FeatureSet): void => {
  const steps = Math.min(to - from, run);
  for (let step = 1; step <= steps; step++) {
    const place = (from + step) % run;
    for (let i = slot + place; i < slot + slots; i += run) values[i] = set.emptyRegisters[i]!;
  }
};

const foldFeature = (registers: Registers, feature: CompiledFeature, data: Readonly<Record<string, unknown>>, atMs: number): void => {
  const { definition, slot, run } = feature;
  const { values, refMs } = registers;
  const given = definition.field === null ? 1 : data[definition.field];
  if (typeof given !== 'number' || !Number.isFinite(given)) return;
  if (feature.kind === 'recency') {
    const minute = Math.floor(atMs / MINUTE_MS);
    if (!(values[slot]! >= minute)) values[slot] = minute;
    return;
  }
  if (feature.kind === 'last') {
    const lastMs = values[slot + 1]!;
    if (lastMs > atMs || (lastMs === atMs && values[slot]! >= given)) return;
    values[slot] = given;
    values[slot + 1] = atMs;
    return;
  }
  let place = slot;
  let weight = 1;
  if (feature.kind === 'decay') weight = 2 ** ((atMs - refMs) / definition.halfLifeMs!);
  else if (feature.kind === 'window') {
    const bucket = Math.floor(atMs / feature.widthMs);
    if (bucket <= Math.floor(refMs / feature.widthMs) - run) return;
    place += bucket % run;
  }
  accumulate(values, feature, place, given, weight);
};

const accumulate = (values: number[], { definition, kind, run }: CompiledFeature, place: number, given: number, weight: number): void => {
  const was = values[place]!;
  switch (definition.aggregate) {
    case 'min':
      if (!(was <= given)) values[place] = Math.fround(given);
      return;
    case 'max':
      if (!(was >= given)) values[place] = Math.fround(given);
      return;
    case 'mean':
      values[place + run] = kind === 'decay' ? Math.fround(values[place + run]! + weight) : values[place + run]! + 1;
      values[place] = bound(was + given * weight, kind);
      return;
    default:
      values[place] = bound(was + given * weight, kind);
  }
};

/** float32 but for what never forgets: there the errors of many small additions would add up. */
const bound = (value: number, kind: CompiledFeature['kind']): number => {
  const limited = Math.max(-3e38, Math.min(3e38, value));
  return kind === 'ever' ? limited : Math.fround(limited);
};
