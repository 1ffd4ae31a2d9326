/** Triggers: which events of a customer make Attune ask itself whether to reach out, and when. */
import { HOUR_MS } from '#contracts';
import type { AttributeValue, Context } from '#contracts';
import { ConditionError, createExpressionParser, refuseFaults } from '#project';
import type { Condition, EventTypes, Fault, ParsedExpression, Project } from '#project';
import { createReader, nearest } from '../catalog/reader.ts';
import type { Reader } from '../catalog/reader.ts';
import type { Catalog } from '../catalog/types.ts';
import type { Scope } from '../types.ts';

export interface Trigger {
  readonly id: string;
  readonly description: string;
  /** Event type. */
  readonly event: string;
  /** As written; null: every such event. */
  readonly when: string | null;
  readonly holds: Condition<TriggerScope>;
  /** Null: all actions of the catalog. */
  readonly scope: Scope | null;
  /** Null: it is chosen when the decision is made. */
  readonly channel: string | null;
  readonly delayMs: number;
  /** 0: each event counts by itself; else the last of those that follow each other within as much. */
  readonly debounceMs: number;
  /** From when it is due: past it nothing is decided any more. */
  readonly expireMs: number;
  readonly context: Context;
}

/** What a condition may read. */
export interface TriggerScope {
  readonly event: { readonly type: string; readonly data: unknown };
  readonly customer: Readonly<Record<string, AttributeValue>>;
  readonly features: Readonly<Record<string, unknown>>;
}

export interface Triggers {
  readonly all: readonly Trigger[];
  readonly byId: ReadonlyMap<string, Trigger>;
  readonly byEvent: ReadonlyMap<string, readonly Trigger[]>;
}

export const NO_TRIGGERS: Triggers = Object.freeze({ all: [], byId: new Map(), byEvent: new Map() });

/** A decision that is due later. */
export interface PlannedDecision {
  /** `trigger:<id>` */
  readonly cause: string;
  /** Empty: to be chosen. */
  readonly channel: string;
  /** JSON text as in a receipt; empty: all actions. */
  readonly scope: string;
  /** JSON text. */
  readonly context: string;
  readonly dueMs: number;
  readonly expiresAtMs: number;
}

/** A customer as far as triggers read it. */
export interface TriggerView {
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly featureNames: readonly string[];
  readonly features: ArrayLike<number>;
}

const FIELDS = ['id', 'description', 'event', 'when', 'scope', 'channel', 'delay', 'debounce', 'expire', 'context'];
const ID = /^[a-z0-9][a-z0-9-]{0,49}$/;
const DEFAULT_EXPIRE_MS = 24 * HOUR_MS;
const ALWAYS = (): boolean => true;

/** Throws ProjectError; a project without triggers.yaml has none. */
export const compileTriggers = (project: Project, catalog: Catalog, events: EventTypes): Triggers => {
  const document = project.document('triggers.yaml');
  if (document === null) return NO_TRIGGERS;
  const faults: Fault[] = [];
  const root = createReader(document, [], document.value ?? {}, faults);
  root?.only(['triggers'], 'triggers.yaml');
  const compiling: Compiling = {
    catalog,
    events,
    attributes: keysOf(project, 'features.yaml', 'attributes'),
    features: keysOf(project, 'features.yaml', 'features'),
    context: keysOf(project, 'project.yaml', 'context'),
    parse: createExpressionParser<TriggerScope>(['event', 'customer', 'features']),
  };
  const byId = new Map<string, Trigger>();
  for (const reader of root?.items('triggers') ?? []) {
    const trigger = compileTrigger(compiling, reader);
    if (byId.has(trigger.id)) reader.fault('id', `the id '${trigger.id}' is used twice`);
    byId.set(trigger.id, trigger);
  }
  refuseFaults(faults);
  const all = [...byId.values()];
  return { all, byId, byEvent: Map.groupBy(all, ({ event }) => event) };
};

interface Compiling {
  readonly catalog: Catalog;
  readonly events: EventTypes;
  readonly attributes: readonly string[];
  readonly features: readonly string[];
  /** Empty: any. */
  readonly context: readonly string[];
  readonly parse: (source: string) => ParsedExpression<TriggerScope>;
}

const compileTrigger = (compiling: Compiling, reader: Reader): Trigger => {
  reader.only(FIELDS, 'a trigger');
  const id = reader.text('id');
  if (id !== '' && !ID.test(id)) reader.fault('id', `the id '${id}' must be small letters, digits and '-', at most 50`);
  const event = reader.text('event');
  if (event !== '' && compiling.events.get(event) === null)
    reader.fault('event', `events.yaml has no event type '${event}'${nearest(event, compiling.events.names)}`);
  const when = reader.has('when') ? reader.text('when') : null;
  return {
    id,
    description: reader.text('description', ''),
    event,
    when,
    holds: when === null ? ALWAYS : compileWhen(compiling, reader, when, event),
    scope: compileScope(compiling.catalog, reader.child('scope')),
    channel: compileChannel(compiling.catalog, reader),
    delayMs: reader.duration('delay', 0),
    debounceMs: reader.duration('debounce', 0),
    expireMs: reader.duration('expire', DEFAULT_EXPIRE_MS),
    context: compileContext(compiling.context, reader.child('context')),
  };
};

const compileWhen = (compiling: Compiling, reader: Reader, source: string, event: string): Condition<TriggerScope> => {
  try {
    const parsed = compiling.parse(source);
    for (const [root, field] of parsed.fields) {
      const known = root === 'customer' ? compiling.attributes : root === 'features' ? compiling.features : ['type', 'data'];
      if (!known.includes(field)) reader.fault('when', `'${root}.${field}' is not defined${nearest(field, known)}`);
    }
    for (const [, field] of source.matchAll(/\bevent\.data\.([A-Za-z_]\w*)/g)) {
      const fields = compiling.events.get(event)?.fields.map(({ name }) => name);
      if (fields?.includes(field!) === false)
        reader.fault('when', `event type '${event}' has no field '${field}'${nearest(field!, fields)}`);
    }
    return parsed.condition;
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    reader.fault('when', `${error.message} in: ${source}`);
    return ALWAYS;
  }
};

const compileScope = (catalog: Catalog, reader: Reader | null): Scope | null => {
  if (reader === null) return null;
  reader.only(['actions', 'topics', 'groups'], 'a scope');
  if (reader.keys.length === 0) reader.fault(null, 'a scope names actions, topics or groups');
  const actions = reader.names('actions', [...catalog.indexOf.keys()], 'action');
  const topics = reader.names('topics', catalog.topics, 'topic');
  const groups = reader.names('groups', catalog.groups, 'group');
  const scope = {
    ...(actions === null ? {} : { actions }),
    ...(topics === null ? {} : { topics }),
    ...(groups === null ? {} : { groups }),
  };
  const reached = catalog.actions.filter(
    ({ id, topic, group }) => actions?.includes(id) === true || topics?.includes(topic) === true || groups?.includes(group) === true,
  );
  if (reached.length > 0 && !reached.some(({ treatments }) => treatments.some(({ direction }) => direction === 'outbound')))
    reader.fault(null, 'no action of this scope has an outbound treatment');
  return scope;
};

const compileChannel = ({ channels }: Catalog, reader: Reader): string | null => {
  if (!reader.has('channel')) return null;
  const channel = reader.text('channel');
  const known = channels.get(channel);
  if (known === undefined) reader.fault('channel', `unknown channel '${channel}'${nearest(channel, [...channels.keys()])}`);
  else if (!known.directions.includes('outbound')) reader.fault('channel', `the channel '${channel}' is inbound only`);
  return channel;
};

const compileContext = (names: readonly string[], reader: Reader | null): Context => {
  const context: Record<string, AttributeValue> = {};
  for (const key of reader?.keys ?? []) {
    const value = reader!.raw(key);
    if (names.length > 0 && !names.includes(key))
      reader!.fault(key, `'context.${key}' is not defined in project.yaml${nearest(key, names)}`);
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') context[key] = value;
    else reader!.fault(key, `'${key}' must be text, number or boolean`);
  }
  return context;
};

/** Of a mapping, or the texts of a list; empty: there is none. */
const keysOf = (project: Project, file: string, section: string): readonly string[] => {
  const part = (project.document(file)?.value as Record<string, unknown> | null | undefined)?.[section];
  if (Array.isArray(part)) return part.map(String);
  return typeof part === 'object' && part !== null ? Object.keys(part) : [];
};

/** Those whose condition holds, in the catalog's order; the customer as it stands after the event. */
export const matchTriggers = (
  triggers: Triggers,
  event: { readonly type: string; readonly data: unknown },
  view: TriggerView,
): readonly Trigger[] => {
  const candidates = triggers.byEvent.get(event.type);
  if (candidates === undefined) return NONE;
  const scope: TriggerScope = {
    event: { type: event.type, data: event.data },
    customer: view.attributes,
    features: Object.fromEntries(view.featureNames.map((name, i) => [name, view.features[i]])),
  };
  return candidates.filter(({ holds }) => holds(scope));
};

const NONE: readonly Trigger[] = Object.freeze([]);

export const causeOfTrigger = ({ id }: Trigger): string => `trigger:${id}`;

/**
 * What an event makes of a trigger. A debounced one replaces what was planned of the same cause, so that it is due as long after the last event.
 * @param atMs of the event
 */
export const planOfTrigger = (trigger: Trigger, atMs: number): PlannedDecision => {
  const dueMs = atMs + Math.max(trigger.delayMs, trigger.debounceMs);
  return {
    cause: causeOfTrigger(trigger),
    channel: trigger.channel ?? '',
    scope: trigger.scope === null ? '' : JSON.stringify(trigger.scope),
    context: JSON.stringify(trigger.context),
    dueMs,
    expiresAtMs: dueMs + trigger.expireMs,
  };
};
