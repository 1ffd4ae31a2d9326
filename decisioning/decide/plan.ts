/** A catalog laid out for the hot path: flat arrays and buffers that every decision reuses (one thread, never re-entered). */
import type { ActionProfile, ScoreBuffers } from '#contracts';
import type { Scope } from '#project';
import type { Catalog, CatalogAction, Direction, Rule, Weight } from '../catalog/types.ts';
import { createUniformState } from '#models/exploration';
import type { UniformState } from '#models/exploration';

/** What one channel and direction can show. */
export interface Face {
  /** Per action: index into its treatments of the one for any placement, else -1. */
  readonly treatments: Int16Array;
  /** Per placement, the same with that placement's own treatments first. */
  readonly placements: ReadonlyMap<string, Int16Array>;
  /** Per action: the contact policy's rules that reach it here. */
  readonly rules: readonly (readonly Rule[])[];
  /** Levers and context weights that reach this face. */
  readonly weights: readonly Weight[];
}

export interface Plan {
  readonly catalog: Catalog;
  face(channel: string, direction: Direction): Face;
  /** 0 not yet, 1 true, 2 false; per condition of the pool. */
  readonly memo: Uint8Array;
  /** Contacts counted for a limit, at `countAt[rule] + key`, once `counted[rule]` is 1. */
  readonly counts: Int16Array;
  readonly counted: Uint8Array;
  readonly keys: number;
  /** Index of each contact's action, -1 for one that is gone; valid once `contactsRead` is not negative. */
  readonly contactActions: Int32Array;
  contactsRead: number;
  readonly countAt: Int32Array;
  readonly topicOf: Int32Array;
  readonly groupOf: Int32Array;
  readonly topicMembers: readonly (readonly CatalogAction[])[];
  readonly values: Float64Array;
  readonly weightOf: Float64Array;
  readonly scored: Int32Array;
  /** Of the scored, in their order: whether they may be explored, and their topics. */
  readonly explorable: Uint8Array;
  readonly kinds: Int32Array;
  readonly profiles: ActionProfile[];
  readonly marketing: Uint8Array;
  readonly scores: ScoreBuffers;
  readonly uniform: UniformState;
  readonly scope: { -readonly [K in keyof Scope]: Scope[K] };
  readonly features: FeatureScopes;
}

export const createScoreBuffers = (size: number): ScoreBuffers => ({
  propensities: new Float32Array(size),
  effectiveN: new Float32Array(size),
  standardErrors: new Float32Array(size),
});

const plans = new WeakMap<Catalog, Plan>();

export const planOf = (catalog: Catalog): Plan => {
  let plan = plans.get(catalog);
  if (plan === undefined) {
    plan = createPlan(catalog);
    plans.set(catalog, plan);
  }
  return plan;
};

const createPlan = (catalog: Catalog): Plan => {
  const { actions } = catalog;
  const n = actions.length;
  const faces = new Map<string, Face>();
  const keys = Math.max(n, catalog.topics.length, catalog.groups.length, 1);
  const limits = catalog.rules.filter((rule) => rule.rule.kind === 'limit');
  const countAt = new Int32Array(catalog.rules.length);
  limits.forEach((rule, i) => (countAt[rule.index] = i * keys));
  return {
    catalog,
    face(channel, direction) {
      const name = `${direction}/${channel}`;
      let face = faces.get(name);
      if (face === undefined) {
        face = createFace(catalog, channel, direction);
        if (catalog.channels.has(channel)) faces.set(name, face);
      }
      return face;
    },
    memo: new Uint8Array(catalog.conditions.length),
    counts: new Int16Array(limits.length * keys),
    counted: new Uint8Array(catalog.rules.length),
    keys,
    contactActions: new Int32Array(64),
    contactsRead: -1,
    countAt,
    topicOf: Int32Array.from(actions, (action) => catalog.topics.indexOf(action.topic)),
    groupOf: Int32Array.from(actions, (action) => catalog.groups.indexOf(action.group)),
    topicMembers: catalog.topics.map((topic) => actions.filter((action) => action.topic === topic)),
    values: new Float64Array(n),
    weightOf: new Float64Array(n),
    scored: new Int32Array(n),
    explorable: new Uint8Array(n),
    kinds: new Int32Array(n),
    profiles: [],
    marketing: Uint8Array.from(actions, (action) => (catalog.marketingGroups.includes(action.group) ? 1 : 0)),
    scores: createScoreBuffers(n),
    uniform: createUniformState(),
    scope: { customer: {}, features: {}, context: {}, action: {}, now: {} },
    features: createFeatureScopes(),
  };
};

const createFace = (catalog: Catalog, channel: string, direction: Direction): Face => {
  const pick = (placement: string | null): Int16Array =>
    Int16Array.from(catalog.actions, (action) => {
      const here = (treatment: CatalogAction['treatments'][number]): boolean =>
        treatment.channel === channel && treatment.direction === direction;
      const own =
        placement === null ? -1 : action.treatments.findIndex((treatment) => here(treatment) && treatment.placement === placement);
      return own >= 0 ? own : action.treatments.findIndex((treatment) => here(treatment) && treatment.placement === null);
    });
  const reaches = (item: Rule | Weight): boolean =>
    (item.reach.channels?.includes(channel) ?? true) && (item.reach.directions?.includes(direction) ?? true);
  const rules = catalog.rules.filter(reaches);
  const names = new Set(catalog.actions.flatMap((action) => action.treatments.flatMap((treatment) => treatment.placement ?? [])));
  return {
    treatments: pick(null),
    placements: new Map([...names].map((name) => [name, pick(name)])),
    rules: catalog.actions.map((action) =>
      rules.filter((rule) => rule.mask[action.index] === 1 && !(direction === 'outbound' && isExempt(action, rule))),
    ),
    weights: catalog.weights.filter(reaches),
  };
};

/** A critical message obeys what is required, and what is said of it alone; not what counts or waits. */
const isExempt = (action: CatalogAction, { rule, reach }: Rule): boolean =>
  action.critical &&
  (rule.kind === 'limit' || rule.kind === 'quietHours' || rule.kind === 'coolDown') &&
  !(reach.actions?.length === 1 && reach.actions[0] === action.id);

/** Feature values by name without copying them: accessors over the view's array. */
export interface FeatureScopes {
  over(names: readonly string[], values: Float32Array): Readonly<Record<string, unknown>>;
}

const createFeatureScopes = (): FeatureScopes => {
  const known = new WeakMap<readonly string[], { values: Float32Array; scope: Readonly<Record<string, unknown>> }>();
  return {
    over(names, values) {
      let holder = known.get(names);
      if (holder === undefined) {
        const created = { values, scope: {} };
        names.forEach((name, i) => Object.defineProperty(created.scope, name, { enumerable: true, get: () => created.values[i] }));
        known.set(names, created);
        holder = created;
      }
      holder.values = values;
      return holder.scope;
    },
  };
};
