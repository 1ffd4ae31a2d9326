/** Brings a state to other definitions: what is defined alike is kept, what is unknown there is skipped, what is new is empty. */
import type { FeatureSet } from '../definitions/feature-set.ts';
import { CustomerState, type Registers, type TimedValue } from './customer-state.ts';

export const migrateState = (from: CustomerState, set: FeatureSet): CustomerState => {
  const to = new CustomerState(set, [...from.positions]);
  to.epoch = from.epoch;
  to.nextTimerMs = from.nextTimerMs;
  moveAttributes(from, to);
  moveRegisters(from.registers, from.featureSet, to.registers, set);
  to.contacts.push(...from.contacts);
  for (const [key, pair] of from.pairs) to.pairs.set(key, pair);
  to.pending.push(...from.pending);
  to.ring.hashes.push(...from.ring.hashes.slice(from.ring.forgotten));
  to.ring.units.push(...from.ring.units.slice(from.ring.forgotten));
  to.marks.push(...from.marks);
  if (from.hasOutreach) moveOutreach(from, to);
  return to;
};

const moveOutreach = ({ outreach }: CustomerState, to: CustomerState): void => {
  to.outreach.planned.push(...outreach.planned);
  to.outreach.messages.push(...outreach.messages);
  to.outreach.trials.push(...outreach.trials);
  to.outreach.runs.push(...outreach.runs);
  to.outreach.recent.push(...outreach.recent);
};

const moveAttributes = (from: CustomerState, to: CustomerState): void => {
  const values: readonly (TimedValue | undefined)[] = from.attributes;
  values.forEach((attribute, i) => {
    const { name } = from.featureSet.attributes[i]!;
    const place = to.featureSet.attributeIndex.get(name);
    if (attribute === undefined || place === undefined) return;
    if (typeof attribute.value === to.featureSet.attributes[place]!.type) to.attributes[place] = attribute;
  });
};

/** A feature is the same when all of its definition is but the default. */
const moveRegisters = (from: Registers, fromSet: FeatureSet, to: Registers, toSet: FeatureSet): void => {
  to.refMs = from.refMs;
  const places = new Map(fromSet.features.map((feature) => [identityOf(feature.definition), feature]));
  for (const feature of toSet.features) {
    const same = places.get(identityOf(feature.definition));
    if (same === undefined) continue;
    for (let i = 0; i < same.slots; i++) to.values[feature.slot + i] = from.values[same.slot + i]!;
  }
};

const identityOf = (definition: FeatureSet['features'][number]['definition']): string =>
  JSON.stringify({ ...definition, default: 0, unitMs: 0 });
