/** Segments: which customers Attune asks itself about whether to reach out, when and how fast. */
import { HOUR_MS } from '#contracts';
import type { AttributeValue, Context } from '#contracts';
import { createExpressionParser, refuseFaults } from '#project';
import type { Condition, Fault, ParsedExpression, Project } from '#project';
import { createReader, describe, nearest } from '../catalog/reader.ts';
import type { Reader } from '../catalog/reader.ts';
import type { Catalog } from '../catalog/types.ts';
import { offsetOf } from '../decide/local-time.ts';
import type { Scope } from '../types.ts';
import { compileChannel, compileContext, compileScope, compileWhen, namesOf } from './compile-parts.ts';
import type { Names } from './compile-parts.ts';
import type { Schedule } from './schedule.ts';
import type { PlannedDecision, TriggerView } from './triggers.ts';

export interface Segment {
  readonly id: string;
  readonly description: string;
  /** As written. */
  readonly when: string;
  readonly holds: Condition<SegmentScope>;
  /** Null: all actions of the catalog. */
  readonly scope: Scope | null;
  /** Null: it is chosen when the decision is made. */
  readonly channel: string | null;
  readonly context: Context;
  /** From the customer's turn: past it nothing is decided any more. A run that could not begin for so long does not. */
  readonly expireMs: number;
  /** Null: only when a person orders it. */
  readonly schedule: Schedule | null;
  /** Customers whose turn comes in a second. */
  readonly perSecond: number;
}

/** What a condition may read. */
export interface SegmentScope {
  readonly customer: Readonly<Record<string, AttributeValue>>;
  readonly features: Readonly<Record<string, unknown>>;
}

export interface Segments {
  readonly all: readonly Segment[];
  readonly byId: ReadonlyMap<string, Segment>;
}

export const NO_SEGMENTS: Segments = Object.freeze({ all: [], byId: new Map() });

/** As many as a customer's state remembers the runs of. */
const MAX_SEGMENTS = 32;
const FIELDS = ['id', 'description', 'when', 'scope', 'channel', 'context', 'expire', 'schedule', 'perSecond'];
const ID = /^[a-z0-9][a-z0-9-]{0,49}$/;
const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const TIME = /^([01]\d|2[0-3]):([0-5]\d)$/;
const DEFAULT_EXPIRE_MS = 24 * HOUR_MS;
const DEFAULT_PER_SECOND = 20;

/** Throws ProjectError; a project without segments.yaml has none. */
export const compileSegments = (project: Project, catalog: Catalog): Segments => {
  const document = project.document('segments.yaml');
  if (document === null) return NO_SEGMENTS;
  const faults: Fault[] = [];
  const root = createReader(document, [], document.value ?? {}, faults);
  root?.only(['segments'], 'segments.yaml');
  const compiling: Compiling = { catalog, names: namesOf(project), parse: createParser() };
  const byId = new Map<string, Segment>();
  for (const reader of root?.items('segments') ?? []) {
    const segment = compileSegment(compiling, reader);
    if (byId.has(segment.id)) reader.fault('id', `the id '${segment.id}' is used twice`);
    byId.set(segment.id, segment);
  }
  if (byId.size > MAX_SEGMENTS)
    root?.fault('segments', `there are ${byId.size} segments; a customer remembers the runs of ${MAX_SEGMENTS}`);
  refuseFaults(faults);
  return { all: [...byId.values()], byId };
};

/** A condition that is given by hand. Throws ConditionError, and RangeError for a name that the project does not define. */
export const compileSegmentWhen = (project: Project, when: string): Pick<Segment, 'holds'> => {
  const names = namesOf(project);
  const { fields, condition } = createParser()(when);
  for (const [root, field] of fields) {
    const known = root === 'customer' ? names.customer : names.features;
    if (!known.includes(field)) throw new RangeError(`'${root}.${field}' is not defined${nearest(field, known)}`);
  }
  return { holds: condition };
};

const createParser = (): Compiling['parse'] => createExpressionParser<SegmentScope>(['customer', 'features']);

interface Compiling {
  readonly catalog: Catalog;
  readonly names: Names;
  readonly parse: (source: string) => ParsedExpression<SegmentScope>;
}

const compileSegment = ({ catalog, names, parse }: Compiling, reader: Reader): Segment => {
  reader.only(FIELDS, 'a segment');
  const id = reader.text('id');
  if (id !== '' && !ID.test(id)) reader.fault('id', `the id '${id}' must be small letters, digits and '-', at most 50`);
  const when = reader.text('when');
  const { customer, features } = names;
  return {
    id,
    description: reader.text('description', ''),
    when,
    holds: when === '' ? NEVER : compileWhen(reader, when, parse, { customer, features }),
    scope: compileScope(catalog, reader.child('scope')),
    channel: compileChannel(catalog, reader),
    context: compileContext(names.context, reader.child('context')),
    expireMs: reader.duration('expire', DEFAULT_EXPIRE_MS),
    schedule: compileSchedule(catalog, reader.child('schedule')),
    perSecond: reader.number('perSecond', DEFAULT_PER_SECOND, { min: 0.01, max: 10_000 }),
  };
};

const NEVER = (): boolean => false;

const compileSchedule = (catalog: Catalog, reader: Reader | null): Schedule | null => {
  if (reader === null) return null;
  reader.only(['at', 'on', 'timeZone'], 'a schedule');
  const at = reader.text('at');
  const match = TIME.exec(at);
  if (at !== '' && match === null) reader.fault('at', `'at' must be a time of day such as '09:30', not '${at}'`);
  const timeZone = reader.text('timeZone', catalog.timeZone);
  if (offsetOf(timeZone, 0) === null) reader.fault('timeZone', `'${timeZone}' is not a time zone; use a name such as Europe/Berlin`);
  return { minute: match === null ? 0 : Number(match[1]) * 60 + Number(match[2]), timeZone, ...compileDays(reader) };
};

const compileDays = (reader: Reader): Pick<Schedule, 'weekdays' | 'monthDays'> => {
  const weekdays: number[] = [];
  const monthDays: number[] = [];
  const given = reader.raw('on') ?? [];
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  for (const [i, day] of list.entries()) {
    if (typeof day === 'string' && WEEKDAYS.includes(day)) weekdays.push(WEEKDAYS.indexOf(day) + 1);
    else if (Number.isInteger(day) && (day as number) >= 1 && (day as number) <= 31) monthDays.push(day as number);
    else {
      const message = `a day is one of ${WEEKDAYS.join(', ')} or 1 to 31, not ${describe(day)}`;
      reader.faultAt(Array.isArray(given) ? ['on', i] : ['on'], message);
    }
  }
  return { weekdays, monthDays };
};

/** Whether the customer, as it stands, belongs to the segment; what cannot be evaluated does not hold. */
export const isIn = ({ holds }: Pick<Segment, 'holds'>, view: TriggerView): boolean =>
  holds({
    customer: view.attributes,
    features: Object.fromEntries(view.featureNames.map((name, i) => [name, view.features[i]])),
  });

export const causeOfSegment = ({ id }: Pick<Segment, 'id'>): string => `segment:${id}`;

/** What a customer's turn makes of a segment. @param atMs of the turn */
export const planOfSegment = (segment: Segment, atMs: number): PlannedDecision => ({
  cause: causeOfSegment(segment),
  channel: segment.channel ?? '',
  scope: segment.scope === null ? '' : JSON.stringify(segment.scope),
  context: JSON.stringify(segment.context),
  dueMs: atMs,
  expiresAtMs: atMs + segment.expireMs,
});
