/** One feature of features.yaml: what it aggregates, over which events, and how it forgets. */
import { DAY_MS } from '#contracts';
import { AGGREGATES, type Aggregate, type FeatureDefinition } from './definitions.ts';
import type { DefinitionContext } from './parse-definitions.ts';
import { parseDuration, parseEvent, parseField, parseWhen, refuseUnknownKeys } from './parse-parts.ts';

/** Six buckets: a windowed value is off by at most the content of its oldest sixth. */
const DEFAULT_BUCKETS = 6;
/** The mask of filled buckets is one byte. */
const MAX_BUCKETS = 7;
/** A recency that never was: ten years, in days. */
const NEVER_DAYS = 3650;

export const parseFeature = (context: DefinitionContext, name: string, value: Record<string, unknown>): FeatureDefinition => {
  const at = ['features', name];
  const fault = (part: string, message: string): void => {
    context.faults.push(context.document.fault(value[part] === undefined ? at : [...at, part], message));
  };
  refuseUnknownKeys(context, at, value, [
    'aggregate',
    'event',
    'field',
    'when',
    'halfLife',
    'window',
    'buckets',
    'unit',
    'default',
    'description',
  ]);
  const aggregate = AGGREGATES.find((known) => known === value['aggregate']);
  if (aggregate === undefined) fault('aggregate', `aggregate must be one of ${AGGREGATES.join(', ')}`);
  const event = parseEvent(context, [...at, 'event'], value['event']);
  const halfLifeMs = parseDuration(context, [...at, 'halfLife'], value['halfLife']);
  const windowMs = parseDuration(context, [...at, 'window'], value['window']);
  const takesField = aggregate !== 'count' && aggregate !== 'recency';
  if (!takesField && value['field'] !== undefined) fault('field', `a ${aggregate} takes no field`);
  for (const message of faultsOfForgetting(aggregate, halfLifeMs, windowMs)) fault(halfLifeMs === null ? 'window' : 'halfLife', message);
  const buckets = value['buckets'] ?? DEFAULT_BUCKETS;
  if (!Number.isInteger(buckets) || (buckets as number) < 1 || (buckets as number) > MAX_BUCKETS)
    fault('buckets', `buckets must be 1 to ${MAX_BUCKETS}`);
  const standard = value['default'] ?? (aggregate === 'recency' ? NEVER_DAYS : 0);
  if (typeof standard !== 'number') fault('default', 'default must be a number');
  if (value['default'] !== undefined && (aggregate === 'count' || aggregate === 'sum')) fault('default', `a ${aggregate} begins with 0`);
  return {
    name,
    aggregate: aggregate ?? 'count',
    event,
    when: parseWhen(context, [...at, 'when'], value['when']),
    field: takesField ? parseField(context, [...at, 'field'], event, value['field'], ['number', 'integer']) : null,
    halfLifeMs,
    windowMs,
    buckets: buckets as number,
    unitMs: parseDuration(context, [...at, 'unit'], value['unit']) ?? DAY_MS,
    default: Number(standard),
  };
};

const faultsOfForgetting = (aggregate: Aggregate | undefined, halfLifeMs: number | null, windowMs: number | null): string[] => {
  const faults: string[] = [];
  if (halfLifeMs !== null && windowMs !== null) faults.push('give a halfLife or a window, not both');
  if (halfLifeMs !== null && (aggregate === 'min' || aggregate === 'max')) faults.push(`a ${aggregate} cannot decay; give it a window`);
  if ((halfLifeMs ?? windowMs) !== null && (aggregate === 'last' || aggregate === 'recency')) faults.push(`a ${aggregate} does not forget`);
  return faults;
};
