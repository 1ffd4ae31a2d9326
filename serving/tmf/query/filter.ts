/** Which resources a list shows: equality and order on attributes by dotted path (TMF630, part 1). */

export type Operator = 'eq' | 'gt' | 'gte' | 'lt' | 'lte';

export interface Term {
  /** `receiver.party.id`; through arrays any element may hold it. */
  readonly path: readonly string[];
  readonly operator: Operator;
  /** Of these any; one for orders. */
  readonly values: readonly string[];
}

/** Any of its terms. */
export type AnyOf = readonly Term[];

/** All of them. */
export type Filter = readonly AnyOf[];

export const matches = (resource: object, filter: Filter): boolean =>
  filter.every((anyOf) =>
    anyOf.some(({ path, operator, values }) => valuesAt(resource, path).some((value) => holds(value, operator, values))),
  );

/** Every value that a path leads to; none where an attribute is missing. */
export const valuesAt = (from: unknown, path: readonly string[], depth = 0): readonly unknown[] => {
  if (Array.isArray(from)) return from.flatMap((element) => valuesAt(element, path, depth));
  if (depth === path.length) return [from];
  const name = path[depth]!;
  if (typeof from !== 'object' || from === null || !Object.hasOwn(from, name)) return [];
  return valuesAt((from as Record<string, unknown>)[name], path, depth + 1);
};

/** The values to which a filter holds an attribute; null: it leaves it open. */
export const valuesNamed = (filter: Filter, path: string): readonly string[] | null =>
  filter.find(([term, ...others]) => others.length === 0 && term!.operator === 'eq' && term!.path.join('.') === path)?.[0]?.values ?? null;

const holds = (value: unknown, operator: Operator, wanted: readonly string[]): boolean => {
  if (operator === 'eq') return wanted.some((text) => equals(value, text));
  return wanted.some((text) => {
    const order = compare(value, text);
    if (order === null) return false;
    switch (operator) {
      case 'gt':
        return order > 0;
      case 'gte':
        return order >= 0;
      case 'lt':
        return order < 0;
      case 'lte':
        return order <= 0;
    }
  });
};

/** `007` is the number 7 and not the text "7"; one moment may be written in several time zones. */
const equals = (value: unknown, text: string): boolean => {
  if (typeof value === 'string') return value === text || (instantOf(value) !== null && instantOf(value) === instantOf(text));
  if (typeof value === 'number') return numberOf(text) === value;
  if (typeof value === 'boolean' || value === null) return String(value) === text;
  return false;
};

/** Negative, 0 or positive; null: they have no order. Numbers by worth, moments by time, the rest by letters. */
export const compare = (value: unknown, other: unknown): number | null => {
  const [a, b] = [numberOf(value) ?? instantOf(value), numberOf(other) ?? instantOf(other)];
  if (a !== null && b !== null) return a - b;
  if (typeof value === 'boolean' && typeof other === 'boolean') return Number(value) - Number(other);
  if (typeof value !== 'string' || typeof other !== 'string') return null;
  return value < other ? -1 : value > other ? 1 : 0;
};

const numberOf = (value: unknown): number | null => {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || !/^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(value)) return null;
  return Number(value);
};

/** RFC 3339, date alone or with time. */
const instantOf = (value: unknown): number | null => {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/i.test(value)) return null;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? null : atMs;
};
