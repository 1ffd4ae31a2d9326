/** What triggers and segments are compiled of alike: condition, scope, channel and context, each fault with its place. */
import type { AttributeValue, Context } from '#contracts';
import { ConditionError } from '#project';
import type { Condition, ParsedExpression, Project } from '#project';
import { nearest } from '../catalog/reader.ts';
import type { Reader } from '../catalog/reader.ts';
import type { Catalog } from '../catalog/types.ts';
import type { Scope } from '../types.ts';

/** What a project defines that a condition may read. */
export interface Names {
  readonly customer: readonly string[];
  readonly features: readonly string[];
  /** Empty: any. */
  readonly context: readonly string[];
}

export const namesOf = (project: Project): Names => ({
  customer: keysOf(project, 'features.yaml', 'attributes'),
  features: keysOf(project, 'features.yaml', 'features'),
  context: keysOf(project, 'project.yaml', 'context'),
});

export const ALWAYS = (): boolean => true;

/** @param roots what the condition may read, by its first word */
export const compileWhen = <S>(
  reader: Reader,
  source: string,
  parse: (source: string) => ParsedExpression<S>,
  roots: Readonly<Record<string, readonly string[]>>,
): Condition<S> => {
  try {
    const parsed = parse(source);
    for (const [root, field] of parsed.fields) {
      const known = roots[root] ?? [];
      if (!known.includes(field)) reader.fault('when', `'${root}.${field}' is not defined${nearest(field, known)}`);
    }
    return parsed.condition;
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    reader.fault('when', `${error.message} in: ${source}`);
    return ALWAYS;
  }
};

export const compileScope = (catalog: Catalog, reader: Reader | null): Scope | null => {
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

export const compileChannel = ({ channels }: Catalog, reader: Reader): string | null => {
  if (!reader.has('channel')) return null;
  const channel = reader.text('channel');
  const known = channels.get(channel);
  if (known === undefined) reader.fault('channel', `unknown channel '${channel}'${nearest(channel, [...channels.keys()])}`);
  else if (!known.directions.includes('outbound')) reader.fault('channel', `the channel '${channel}' is inbound only`);
  return channel;
};

export const compileContext = (names: readonly string[], reader: Reader | null): Context => {
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
