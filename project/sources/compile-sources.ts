/**
 * sources.yaml: the operator's own topics, and how their records become events.
 *
 * ```yaml
 * sources:
 *   usage-cdr:
 *     topic: cdr.usage
 *     format: json                      # or avro; with `schema: schemas/cdr.yaml` where no registry has it
 *     when: value.kind == 'DATA'
 *     event:
 *       type: usage.recorded            # of events.yaml; or { cel: "…" }
 *       subject: value.customerId
 *       time: value.endedAt             # RFC 3339 text, or milliseconds since 1970
 *       data:
 *         dataMb: value.bytes / 1048576
 *         roaming: value.visitedNetwork != value.homeNetwork
 * ```
 * All is CEL over `value`, `key`, `headers` and `record`; a number or a boolean stands for itself.
 */
import { ConditionError, createExpressionParser } from '../conditions/compile.ts';
import type { DocumentPath, ProjectDocument } from '../document.ts';
import type { EventType, EventTypes } from '../event-types.ts';
import type { Fault } from '../faults.ts';
import { refuseFaults } from '../faults.ts';
import type { Project } from '../project.ts';
import type { EventMapping, Source, SourceExpression, SourceFormat, SourceScope } from './source.ts';

const FILE = 'sources.yaml';
const SOURCE_FIELDS = ['description', 'enabled', 'topic', 'format', 'schema', 'brokers', 'from', 'when', 'event', 'invalid'];
const EVENT_FIELDS = ['type', 'subject', 'subjectKind', 'time', 'data'];
const NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;
const TOPIC = /^[A-Za-z0-9._-]{1,249}$/;
const BROKER = /^\[?[A-Za-z0-9._:-]+\]?:\d{1,5}$/;

const parse = createExpressionParser<SourceScope>(['value', 'key', 'headers', 'record']);

/** Throws ProjectError when sources.yaml is wrong; a project without it has no sources. */
export const compileSources = (project: Project, types: EventTypes): readonly Source[] => {
  const document = project.document(FILE);
  if (document === null) return [];
  const faults: Fault[] = [];
  const sources = compileDocument({ project, document, types, faults });
  refuseFaults(faults);
  return sources;
};

interface Reading {
  readonly project: Project;
  readonly document: ProjectDocument;
  readonly types: EventTypes;
  readonly faults: Fault[];
}

type Fields = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

const compileDocument = (reading: Reading): Source[] => {
  const { document } = reading;
  if (document.value === null) return [];
  if (!isRecord(document.value) || !isRecord(document.value['sources'])) {
    reading.faults.push(document.fault([], "expected a mapping 'sources' from name to source"));
    return [];
  }
  const at = ['sources'];
  return Object.entries(document.value['sources']).flatMap(([name, definition]) => {
    if (!isRecord(definition)) return fault(reading, [...at, name], `source '${name}' must be a mapping with topic and event`);
    if (!NAME.test(name)) fault(reading, [...at, name], `a source is named in lower-case letters, digits and hyphens, not '${name}'`);
    return [compileSource(reading, [...at, name], name, definition)];
  });
};

const compileSource = (reading: Reading, at: DocumentPath, name: string, definition: Fields): Source => {
  refuseUnknown(reading, at, definition, SOURCE_FIELDS, 'a source');
  const { when } = definition;
  return {
    name,
    description: typeof definition['description'] === 'string' ? definition['description'] : '',
    enabled: enabledOf(reading, [...at, 'enabled'], definition['enabled']),
    topic: topicOf(reading, at, definition['topic']),
    format: formatOf(reading, at, definition),
    brokers: brokersOf(reading, at, definition['brokers']),
    from: oneOf(reading, [...at, 'from'], definition['from'], ['earliest', 'latest']),
    when: when === undefined ? null : conditionOf(reading, [...at, 'when'], when),
    event: eventOf(reading, [...at, 'event'], definition['event']),
    invalid: oneOf(reading, [...at, 'invalid'], definition['invalid'], ['dead-letter', 'drop']),
  };
};

/** An empty list, for who collects. */
const fault = (reading: Reading, at: DocumentPath, message: string): never[] => {
  reading.faults.push(reading.document.fault(at, message));
  return [];
};

const refuseUnknown = (reading: Reading, at: DocumentPath, given: Fields, known: readonly string[], what: string): void => {
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) fault(reading, [...at, key], `unknown field '${key}'; ${what} has ${known.join(', ')}`);
  }
};

const enabledOf = (reading: Reading, at: DocumentPath, value: unknown): boolean => {
  if (value !== undefined && typeof value !== 'boolean') fault(reading, at, `enabled must be true or false, not ${JSON.stringify(value)}`);
  return value !== false;
};

const topicOf = (reading: Reading, at: DocumentPath, value: unknown): string => {
  const topic = typeof value === 'string' ? value : '';
  if (!TOPIC.test(topic)) fault(reading, [...at, 'topic'], `topic must name one of your topics, not ${JSON.stringify(value)}`);
  if (topic.startsWith('attune.')) fault(reading, [...at, 'topic'], `${topic} is Attune's own; a source reads one of yours`);
  return topic;
};

const oneOf = <T extends string>(reading: Reading, at: DocumentPath, value: unknown, words: readonly [T, ...T[]]): T => {
  const found = words.find((word) => word === value);
  if (found === undefined && value !== undefined) fault(reading, at, `'${JSON.stringify(value)}' must be one of ${words.join(', ')}`);
  return found ?? words[0];
};

/** The schema is a file of the project (Avro's JSON is YAML, too), or stands here. */
const formatOf = (reading: Reading, at: DocumentPath, definition: Fields): SourceFormat => {
  const kind = oneOf(reading, [...at, 'format'], definition['format'], ['json', 'avro']);
  const { schema } = definition;
  if (kind === 'json') {
    if (schema !== undefined) fault(reading, [...at, 'schema'], 'a schema is for format avro; JSON is checked by events.yaml');
    return { kind };
  }
  if (schema === undefined) return { kind, schema: null };
  if (isRecord(schema)) return { kind, schema };
  const found = typeof schema === 'string' ? reading.project.document(schema)?.value : undefined;
  if (isRecord(found)) return { kind, schema: found };
  fault(reading, [...at, 'schema'], `there is no Avro schema ${JSON.stringify(schema)} in the project; name a .yaml file of it`);
  return { kind, schema: null };
};

const brokersOf = (reading: Reading, at: DocumentPath, value: unknown): readonly string[] | null => {
  if (value === undefined) return null;
  const brokers = Array.isArray(value) ? (value as unknown[]) : [];
  if (brokers.length > 0 && brokers.every((broker): broker is string => typeof broker === 'string' && BROKER.test(broker))) return brokers;
  fault(reading, [...at, 'brokers'], 'brokers must be a list of host:port');
  return null;
};

const conditionOf = (reading: Reading, at: DocumentPath, value: unknown): Source['when'] => {
  if (typeof value === 'boolean') return () => value;
  return guarded(reading, at, value, (text) => parse(text).condition) ?? (() => false);
};

const NOTHING: SourceExpression = () => undefined;

const expressionOf = (reading: Reading, at: DocumentPath, value: unknown): SourceExpression => {
  if (typeof value === 'number' || typeof value === 'boolean') return () => value;
  return guarded(reading, at, value, (text) => parse(text).expression) ?? NOTHING;
};

const guarded = <T>(reading: Reading, at: DocumentPath, value: unknown, compile: (text: string) => T): T | null => {
  try {
    if (typeof value === 'string') return compile(value);
    fault(reading, at, `expected a CEL expression, not ${JSON.stringify(value) ?? 'nothing'}`);
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    fault(reading, at, `${JSON.stringify(value)}: ${error.message}; an expression reads value, key, headers, record`);
  }
  return null;
};

const eventOf = (reading: Reading, at: DocumentPath, value: unknown): EventMapping => {
  const event = isRecord(value) ? value : {};
  if (!isRecord(value)) fault(reading, at, 'event must be a mapping with type, subject and data');
  refuseUnknown(reading, at, event, EVENT_FIELDS, 'an event');
  const { type, subject, time, data = {} } = event;
  if (subject === undefined && isRecord(value)) fault(reading, at, "event lacks 'subject': the expression that gives the customer's id");
  const mapped = typeOf(reading, [...at, 'type'], type);
  return {
    type: mapped,
    subject: subject === undefined ? NOTHING : expressionOf(reading, [...at, 'subject'], subject),
    subjectKind: oneOf(reading, [...at, 'subjectKind'], event['subjectKind'], ['customer', 'anonymous']),
    time: time === undefined ? null : expressionOf(reading, [...at, 'time'], time),
    data: dataOf(reading, [...at, 'data'], data, mapped.kind === 'name' ? reading.types.get(mapped.name) : null),
  };
};

const typeOf = (reading: Reading, at: DocumentPath, value: unknown): EventMapping['type'] => {
  if (isRecord(value) && Object.keys(value).join() === 'cel') {
    return { kind: 'expression', expression: expressionOf(reading, [...at, 'cel'], value['cel']) };
  }
  const name = typeof value === 'string' ? value : '';
  if (reading.types.get(name) === null) {
    fault(reading, at, `type must be an event type of events.yaml or { cel: "…" }, not ${JSON.stringify(value) ?? 'nothing'}`);
  }
  return { kind: 'name', name };
};

/** @param type where it is known beforehand: what it requires must be mapped */
const dataOf = (reading: Reading, at: DocumentPath, value: unknown, type: EventType | null): EventMapping['data'] => {
  if (typeof value === 'string') return { kind: 'whole', expression: expressionOf(reading, at, value) };
  if (!isRecord(value)) fault(reading, at, 'data must be a mapping from field to expression, or one expression that gives an object');
  const given = isRecord(value) ? value : {};
  for (const { name, optional } of type?.fields ?? []) {
    if (!optional && !Object.hasOwn(given, name)) fault(reading, at, `data lacks '${name}', which ${type!.name} requires`);
  }
  const fields = Object.entries(given).map(([name, expression]) => [name, expressionOf(reading, [...at, name], expression)] as const);
  return { kind: 'fields', fields };
};
