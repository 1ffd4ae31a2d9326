/** The pool of a catalog's conditions: equal ones once, and names that nobody defines refused. */
import { ConditionError, parseExpression } from '#project';
import type { Expression, ParsedExpression, Project } from '#project';
import { nearest } from './reader.ts';
import type { PooledCondition } from './types.ts';

export interface ConditionPool {
  readonly conditions: PooledCondition[];
  /** Its index, or the sentence that says what is wrong. */
  condition(source: unknown): number | string;
  expression(source: string): { readonly run: Expression; readonly readsCustomer: boolean } | string;
  /** The sentence that says what is wrong with a field under a root; null: nothing. */
  field(root: string, field: string): string | null;
}

const NOW_FIELDS = ['hour', 'weekday', 'day', 'month', 'epochMs'];

export const createConditionPool = (project: Project, contextNames: readonly string[] | null): ConditionPool => {
  const conditions: PooledCondition[] = [];
  const indexOf = new Map<string, number>();
  const definitions = project.document('features.yaml')?.value;
  const known: Readonly<Record<string, readonly string[] | null>> = {
    customer: namesIn(definitions, 'attributes'),
    features: namesIn(definitions, 'features'),
    context: contextNames,
    now: NOW_FIELDS,
    action: null,
    event: [],
  };
  const field = (root: string, name: string): string | null => {
    const names = known[root];
    if (names === undefined || names === null || names.includes(name)) return null;
    if (root === 'event') return `'event' is not known to decisions`;
    return `'${root}.${name}' is not defined${nearest(name, names)}`;
  };
  const parse = (source: unknown): ParsedExpression | string => {
    if (typeof source !== 'string') return `a condition must be CEL text, not ${String(source)}`;
    try {
      const parsed = parseExpression(source);
      for (const [root, name] of parsed.fields) {
        const wrong = field(root, name);
        if (wrong !== null) return wrong;
      }
      return parsed;
    } catch (error) {
      if (error instanceof ConditionError) return `${error.message} in: ${source}`;
      throw error;
    }
  };
  return {
    conditions,
    field,
    condition(source) {
      const parsed = parse(typeof source === 'boolean' ? String(source) : source);
      if (typeof parsed === 'string') return parsed;
      const found = indexOf.get(parsed.key);
      if (found !== undefined) return found;
      indexOf.set(parsed.key, conditions.length);
      conditions.push({
        source: parsed.source,
        test: parsed.condition,
        readsAction: parsed.reads.has('action'),
        readsCustomer: parsed.reads.has('customer') || parsed.reads.has('features'),
      });
      return conditions.length - 1;
    },
    expression(source) {
      const parsed = parse(source);
      if (typeof parsed === 'string') return parsed;
      return { run: parsed.expression, readsCustomer: parsed.reads.has('customer') || parsed.reads.has('features') };
    },
  };
};

/** The names of a section that is a mapping by name or a list of `name`s; null when it is neither. */
const namesIn = (value: unknown, section: string): readonly string[] | null => {
  const part = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[section] : undefined;
  if (Array.isArray(part)) return part.map((item) => String((item as { name?: unknown }).name));
  return typeof part === 'object' && part !== null ? Object.keys(part) : null;
};
