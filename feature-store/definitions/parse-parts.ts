/** Parts that attribute and feature definitions share: durations, event types and their fields, conditions. */
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#contracts';
import { ConditionError, parseExpression, type DocumentPath } from '#project';
import type { DefinitionContext } from './parse-definitions.ts';

const UNITS: Readonly<Record<string, number>> = { m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a fault can quote; a mapping or list as JSON. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

/** `30d`, `12h`, `45m`; decimals allowed. Null when absent (or at fault). */
export const parseDuration = ({ document, faults }: DefinitionContext, at: DocumentPath, value: unknown): number | null => {
  if (value === undefined) return null;
  const match = /^(\d+(?:\.\d+)?)([mhd])$/.exec(textOf(value));
  const ms = match === null ? 0 : Math.round(Number(match[1]) * UNITS[match[2]!]!);
  if (ms >= MINUTE_MS) return ms;
  faults.push(document.fault(at, `'${textOf(value)}' is not a duration of at least a minute; write 30d, 12h or 45m`));
  return null;
};

export const refuseUnknownKeys = (
  { document, faults }: DefinitionContext,
  at: DocumentPath,
  value: Record<string, unknown>,
  known: readonly string[],
): void => {
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) faults.push(document.fault([...at, key], `unknown field '${key}'; known are ${known.join(', ')}`));
  }
};

export const parseEvent = ({ document, events, faults }: DefinitionContext, at: DocumentPath, value: unknown): string => {
  if (typeof value !== 'string' || value === '') faults.push(document.fault(at, `'event' must name an event type`));
  else if (events !== null && events.get(value) === null) faults.push(document.fault(at, `events.yaml has no event type '${value}'`));
  return textOf(value);
};

/** @param types of the schema that fit */
export const parseField = (
  context: DefinitionContext,
  at: DocumentPath,
  event: string,
  value: unknown,
  types: readonly string[],
): string => {
  const { document, events, faults } = context;
  if (typeof value !== 'string' || value === '') {
    faults.push(document.fault(at, `'field' must name a field of the event's data`));
    return '';
  }
  const type = events?.get(event);
  if (type === null || type === undefined) return value;
  const field = type.fields.find((candidate) => candidate.name === value);
  if (field === undefined) faults.push(document.fault(at, `event type '${event}' has no field '${value}'`));
  else if (!types.includes(field.type) && field.type !== 'any') {
    faults.push(document.fault(at, `field '${value}' of '${event}' is of type ${field.type}, not ${types.join(' or ')}`));
  }
  return value;
};

export const parseWhen = ({ document, faults }: DefinitionContext, at: DocumentPath, value: unknown): string | null => {
  if (value === undefined) return null;
  try {
    const { reads } = parseExpression(textOf(value));
    const strangers = [...reads].filter((root) => root !== 'event');
    if (strangers.length > 0) faults.push(document.fault(at, `a condition on events may read 'event' only, not ${strangers.join(', ')}`));
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    faults.push(document.fault(at, error.message));
  }
  return textOf(value);
};
