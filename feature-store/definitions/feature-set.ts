/** A feature set: definitions compiled for folding and evaluating, known by their fingerprint and kept by hash. */
import { createHash } from 'node:crypto';
import { AttuneError, hash32 } from '#contracts';
import { compileCondition, type Condition, type Project } from '#project';
import type { Blobs } from '../port.ts';
import type { AttributeDefinition, AttributeSetter, FeatureDefinition, FeatureDefinitions } from './definitions.ts';
import { parseDefinitions } from './parse-definitions.ts';

/** `ever` sums up without forgetting; `decay` halves by event time; `window` keeps buckets of event time. */
export type RegisterKind = 'ever' | 'decay' | 'window' | 'last' | 'recency';

export interface CompiledFeature {
  readonly index: number;
  readonly definition: FeatureDefinition;
  readonly kind: RegisterKind;
  /** First slot in the registers. A mean has two runs of slots: sums, then counts. */
  readonly slot: number;
  readonly slots: number;
  /** Length of a run: buckets + 1 for a window, else 1. */
  readonly run: number;
  /** Of a window: width of a bucket, ms. */
  readonly widthMs: number;
  /** Of a decay: index into `halfLives`. */
  readonly halfLife: number;
}

interface Guarded<T> {
  readonly when: Condition | null;
  readonly items: readonly T[];
}

/** What one event type does, its equal conditions asked once. */
export interface EventPlan {
  readonly features: readonly Guarded<CompiledFeature>[];
  readonly attributes: readonly Guarded<{ readonly index: number; readonly setter: AttributeSetter }>[];
  /** Whether any of them has a condition. */
  readonly asks: boolean;
}

export interface FeatureSet {
  /** 16 hex digits of the SHA-256 of the definitions. */
  readonly fingerprint: string;
  readonly fingerprintBytes: Buffer;
  readonly names: readonly string[];
  /** float32 */
  readonly defaults: Float32Array;
  readonly attributes: readonly AttributeDefinition[];
  readonly definitions: FeatureDefinitions;
  /** Other sets by fingerprint, with which older or newer states were written; grows by `loadFeatureSet`. */
  readonly others: Map<string, FeatureSet>;

  readonly features: readonly CompiledFeature[];
  readonly plans: ReadonlyMap<string, EventPlan>;
  /** The registers of a customer without events. */
  readonly emptyRegisters: readonly number[];
  readonly halfLives: readonly { readonly ms: number; readonly slots: readonly number[] }[];
  /** Windowed features by the width of their buckets. */
  readonly windows: readonly { readonly widthMs: number; readonly features: readonly CompiledFeature[] }[];
  readonly actionIndex: ReadonlyMap<string, number>;
  readonly actionIndexByHash: ReadonlyMap<number, number>;
  /** hash32 of each of `definitions.actionIds`. */
  readonly actionHashes: readonly number[];
  readonly attributeIndex: ReadonlyMap<string, number>;
}

/** Of a project; throws ProjectError with file and line. @param others sets that wrote states still stored */
export const compileFeatures = (project: Project, others: readonly FeatureSet[] = []): FeatureSet => {
  const set = compileDefinitions(parseDefinitions(project));
  for (const other of others) if (other.fingerprint !== set.fingerprint) set.others.set(other.fingerprint, other);
  return set;
};

export const compileDefinitions = (definitions: FeatureDefinitions): FeatureSet => {
  const features = layOut(definitions.features);
  const slots = features.reduce((sum, feature) => sum + feature.slots, 0);
  // A first element that is no integer makes V8 keep doubles unboxed in every copy.
  const emptyRegisters = new Array<number>(0);
  emptyRegisters.push(0.5, ...new Array<number>(slots).fill(0));
  emptyRegisters.shift();
  for (const feature of features) if (startsEmpty(feature)) emptyRegisters.fill(Number.NaN, feature.slot, feature.slot + feature.slots);
  const halfLives = [...new Set(features.filter((f) => f.kind === 'decay').map((f) => f.definition.halfLifeMs!))];
  const windows = features.filter((feature) => feature.kind === 'window');
  const fingerprintBytes = createHash('sha256').update(canonical(definitions)).digest().subarray(0, 8);
  const actionHashes = definitions.actionIds.map((id) => hash32(id));
  return {
    fingerprint: fingerprintBytes.toString('hex'),
    fingerprintBytes,
    names: definitions.features.map((feature) => feature.name),
    defaults: Float32Array.from(definitions.features, (feature) => feature.default),
    attributes: definitions.attributes,
    definitions,
    others: new Map(),
    features,
    plans: planEvents(definitions.attributes, features),
    emptyRegisters,
    halfLives: halfLives.map((ms, index) => ({ ms, slots: features.filter((f) => f.halfLife === index).flatMap(slotsOf) })),
    windows: [...new Set(windows.map(({ widthMs }) => widthMs))].map((widthMs) => ({
      widthMs,
      features: windows.filter((feature) => feature.widthMs === widthMs),
    })),
    actionIndex: new Map(definitions.actionIds.map((id, index) => [id, index])),
    actionIndexByHash: new Map(actionHashes.map((hash, index) => [hash, index])),
    actionHashes,
    attributeIndex: new Map(definitions.attributes.map((attribute, index) => [attribute.name, index])),
  };
};

/** The set itself or one of `others`; throws `feature-set.unknown`, upon which the caller may `loadFeatureSet` and try again. */
export const featureSetByFingerprint = (current: FeatureSet, fingerprint: string): FeatureSet => {
  const found = fingerprint === current.fingerprint ? current : current.others.get(fingerprint);
  if (found !== undefined) return found;
  throw new AttuneError(
    'feature-set.unknown',
    `feature definitions ${fingerprint} are not loaded; load them from the feature store's blobs`,
    {
      retriable: true,
    },
  );
};

/** Keeps the definitions by hash, before the first state that carries their fingerprint. */
export const publishFeatureSet = async (blobs: Blobs, set: FeatureSet): Promise<void> => {
  await blobs.put(Buffer.from(canonical(set.definitions), 'utf8'), nameOfFeatureSet(set.fingerprint));
};

/** Puts the definitions of a fingerprint among `current.others`. Null when nobody published them. */
export const loadFeatureSet = async (blobs: Blobs, current: FeatureSet, fingerprint: string): Promise<FeatureSet | null> => {
  if (fingerprint === current.fingerprint) return current;
  const known = current.others.get(fingerprint);
  if (known !== undefined) return known;
  const bytes = await blobs.find(nameOfFeatureSet(fingerprint));
  if (bytes === null) return null;
  const set = compileDefinitions(JSON.parse(bytes.toString('utf8')) as FeatureDefinitions);
  current.others.set(fingerprint, set);
  return set;
};

/** Of the blob that holds the definitions. */
export const nameOfFeatureSet = (fingerprint: string): string => `feature-set/${fingerprint}`;

/** Definitions are built with their keys in one order, so JSON text is canonical. */
const canonical = (definitions: FeatureDefinitions): string => JSON.stringify(definitions);

const layOut = (definitions: readonly FeatureDefinition[]): CompiledFeature[] => {
  const halfLives = [...new Set(definitions.filter((d) => kindOf(d) === 'decay').map((d) => d.halfLifeMs!))];
  let slot = 0;
  return definitions.map((definition, index) => {
    const kind = kindOf(definition);
    const run = kind === 'window' ? definition.buckets + 1 : 1;
    const slots = run * (definition.aggregate === 'mean' || kind === 'last' ? 2 : 1);
    const feature = {
      index,
      definition,
      kind,
      slot,
      slots,
      run,
      widthMs: kind === 'window' ? definition.windowMs! / definition.buckets : 0,
      halfLife: kind === 'decay' ? halfLives.indexOf(definition.halfLifeMs!) : -1,
    };
    slot += slots;
    return feature;
  });
};

const kindOf = (definition: FeatureDefinition): RegisterKind => {
  if (definition.aggregate === 'last' || definition.aggregate === 'recency') return definition.aggregate;
  return definition.halfLifeMs !== null ? 'decay' : definition.windowMs !== null ? 'window' : 'ever';
};

const startsEmpty = ({ definition: { aggregate } }: CompiledFeature): boolean =>
  aggregate === 'min' || aggregate === 'max' || aggregate === 'last' || aggregate === 'recency';

const slotsOf = (feature: CompiledFeature): number[] => Array.from({ length: feature.slots }, (_, i) => feature.slot + i);

const planEvents = (attributes: readonly AttributeDefinition[], features: readonly CompiledFeature[]): Map<string, EventPlan> => {
  const setters = attributes.flatMap((attribute, index) => attribute.set.map((setter) => ({ index, setter })));
  const types = new Set([...features.map((feature) => feature.definition.event), ...setters.map(({ setter }) => setter.event)]);
  return new Map(
    [...types].map((type) => [
      type,
      {
        features: guard(
          features.filter((f) => f.definition.event === type),
          (f) => f.definition.when,
        ),
        attributes: guard(
          setters.filter(({ setter }) => setter.event === type),
          ({ setter }) => setter.when,
        ),
        asks: [...features.map(({ definition }) => definition), ...setters.map(({ setter }) => setter)].some(
          ({ event, when }) => event === type && when !== null,
        ),
      },
    ]),
  );
};

const guard = <T>(items: readonly T[], conditionOf: (item: T) => string | null): Guarded<T>[] =>
  [...new Set(items.map(conditionOf))].map((text) => ({
    when: text === null ? null : compileCondition(text),
    items: items.filter((item) => conditionOf(item) === text),
  }));
