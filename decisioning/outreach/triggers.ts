/** Triggers: which events of a customer make Attune ask itself whether to reach out, and when. */
import { HOUR_MS } from '#contracts';
import type { AttributeValue, Context } from '#contracts';
import { createExpressionParser, refuseFaults } from '#project';
import type { Condition, EventTypes, Fault, ParsedExpression, Project } from '#project';
import { createReader, nearest } from '../catalog/reader.ts';
import type { Reader } from '../catalog/reader.ts';
import type { Catalog } from '../catalog/types.ts';
import type { Scope } from '../types.ts';
import { ALWAYS, compileChannel, compileContext, compileScope, compileWhen, namesOf } from './compile-parts.ts';
import type { Names } from './compile-parts.ts';

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
    names: namesOf(project),
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
  readonly names: Names;
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
  const roots = { ...compiling.names, event: ['type', 'data'] };
  const holds = when === null ? ALWAYS : compileWhen(reader, when, compiling.parse, roots);
  if (when !== null) checkEventFields(compiling, reader, when, event);
  return {
    id,
    description: reader.text('description', ''),
    event,
    when,
    holds,
    scope: compileScope(compiling.catalog, reader.child('scope')),
    channel: compileChannel(compiling.catalog, reader),
    delayMs: reader.duration('delay', 0),
    debounceMs: reader.duration('debounce', 0),
    expireMs: reader.duration('expire', DEFAULT_EXPIRE_MS),
    context: compileContext(compiling.names.context, reader.child('context')),
  };
};

const checkEventFields = (compiling: Compiling, reader: Reader, source: string, event: string): void => {
  for (const [, field] of source.matchAll(/\bevent\.data\.([A-Za-z_]\w*)/g)) {
    const fields = compiling.events.get(event)?.fields.map(({ name }) => name);
    if (fields?.includes(field!) === false) reader.fault('when', `event type '${event}' has no field '${field}'${nearest(field!, fields)}`);
  }
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
