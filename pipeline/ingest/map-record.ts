/** From a decoded record of the operator's to an event, as the source's expressions say, judged as the API judges events. Pure. */
import { faultOfEvent, faultOfTime } from '#project';
import type { EventTypes, Source, SourceScope } from '#project';
import { deadLetter, drop, ok } from '../steps.ts';
import type { StepResult } from '../steps.ts';

export interface MappedEvent {
  readonly type: string;
  readonly subjectKind: 'customer' | 'anonymous';
  readonly subjectId: string;
  readonly timeMs: number;
  readonly data: Readonly<Record<string, unknown>>;
}

const LONGEST_SUBJECT = 200;
/** March 1973 in milliseconds, far ahead in seconds. */
const FEWEST_MS = 1e11;
/** The zone is not left to chance. */
const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)$/;

export const mapRecord = (source: Source, scope: SourceScope, types: EventTypes, nowMs: number): StepResult<MappedEvent> => {
  if (source.when !== null && !source.when(scope)) return drop('filtered');
  const { event } = source;
  const type = event.type.kind === 'name' ? event.type.name : event.type.expression(scope);
  if (typeof type !== 'string') return deadLetter('source.type', `the expression of type gives ${shown(type)}, not text`);

  const subject = subjectOf(event.subject(scope));
  if (subject.kind !== 'ok') return subject;
  const time = event.time === null ? ok(scope.record.timestamp) : timeOf(event.time(scope), nowMs);
  if (time.kind !== 'ok') return time;
  const data = dataOf(source, scope);
  if (data.kind !== 'ok') return data;

  const fault = faultOfEvent({ type, data: data.value }, types);
  if (fault !== null) return deadLetter('source.event', `${fault.field} ${fault.message}`);
  return ok({ type, subjectKind: event.subjectKind, subjectId: subject.value, timeMs: time.value, data: data.value });
};

const subjectOf = (value: unknown): StepResult<string> => {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return ok(String(value));
  if (typeof value === 'number')
    return deadLetter('source.subject', `the subject ${value} is not a whole number that is exact: send it as text`);
  if (typeof value !== 'string' || value.trim() === '') return deadLetter('source.subject', `the subject is ${shown(value)}, not an id`);
  if (value.length > LONGEST_SUBJECT)
    return deadLetter('source.subject', `the subject has ${value.length} characters, more than ${LONGEST_SUBJECT}`);
  return ok(value);
};

const timeOf = (value: unknown, nowMs: number): StepResult<number> => {
  const timeMs = millisecondsOf(value);
  if (typeof value === 'number' && timeMs < FEWEST_MS)
    return deadLetter('source.time', `the time ${value} looks like seconds: multiply it by 1000`);
  const fault = Number.isNaN(timeMs)
    ? `is ${shown(value)}, neither an RFC 3339 date and time with its zone nor milliseconds since 1970`
    : faultOfTime(timeMs, nowMs);
  return fault === null ? ok(Math.round(timeMs)) : deadLetter('source.time', `the time ${fault}`);
};

const millisecondsOf = (value: unknown): number => {
  if (typeof value === 'number') return value;
  if (value instanceof Date) return value.getTime();
  return typeof value === 'string' && RFC_3339.test(value) ? Date.parse(value) : Number.NaN;
};

/** A field whose expression has no value is left out: events.yaml says whether it must be there. */
const dataOf = ({ event }: Source, scope: SourceScope): StepResult<Readonly<Record<string, unknown>>> => {
  if (event.data.kind === 'whole') {
    const data = event.data.expression(scope);
    if (typeof data === 'object' && data !== null && !Array.isArray(data)) {
      return ok(Object.fromEntries(Object.entries(data).map(([name, value]) => [name, plain(value)])));
    }
    return deadLetter('source.data', `the expression of data gives ${shown(data)}, not an object`);
  }
  const data: Record<string, unknown> = {};
  for (const [name, expression] of event.data.fields) {
    const value = expression(scope);
    if (value !== undefined) data[name] = plain(value);
  }
  return ok(data);
};

/** CEL's own integers and times, as JSON has them. */
const plain = (value: unknown): unknown => {
  if (typeof value === 'bigint') return Number(value);
  return value instanceof Date ? value.toISOString() : value;
};

/** Without the value itself where it is long or may name someone: only what kind of thing it is. */
const shown = (value: unknown): string => {
  if (value === undefined) return 'nothing (a field that is missing or of another type)';
  if (value === null) return 'null';
  if (value === '') return 'empty text';
  return Array.isArray(value) ? 'a list' : `of type ${typeof value}`;
};
