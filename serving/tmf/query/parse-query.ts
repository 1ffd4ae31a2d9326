/** A query string as TMF630 means it: `fields`, `offset`, `limit`, `sort`, and everything else a filter. */
import { fieldFault } from '../../errors/problem.ts';
import type { AnyOf, Filter, Operator, Term } from './filter.ts';

export interface SortKey {
  readonly path: readonly string[];
  readonly descending: boolean;
}

export interface TmfQuery {
  /** Null: all; empty: id and href only. */
  readonly fields: readonly (readonly string[])[] | null;
  /** Null: not asked for. */
  readonly offset: number | null;
  readonly limit: number | null;
  readonly sort: readonly SortKey[];
  readonly filter: Filter;
}

const OPERATORS: Readonly<Record<string, Operator>> = { gt: 'gt', gte: 'gte', lt: 'lt', lte: 'lte', eq: 'eq' };
const DEEPEST = 16;
const MOST_TERMS = 100;

/** @param text what stands behind the `?` of the URL, still encoded. Throws a 400 that names the parameter. */
export const parseQuery = (text: string): TmfQuery => {
  const groups: AnyOf[] = [];
  const asked = new Map<string, string[]>();
  for (const part of text.split('&').filter((one) => one !== '')) {
    const name = decode(part.split('=', 1)[0]!);
    if (RESERVED.has(name)) asked.set(name, [...(asked.get(name) ?? []), decode(part.slice(part.indexOf('=') + 1 || part.length))]);
    else groups.push(termsOf(part));
    if (groups.length > MOST_TERMS) throw fieldFault(name, `is one filter too many; at most ${MOST_TERMS} are taken`);
  }
  return {
    fields: fieldsOf(asked.get('fields')),
    offset: countOf('offset', asked),
    limit: countOf('limit', asked),
    sort: listOf(asked.get('sort')).map(sortKeyOf),
    filter: gathered(groups),
  };
};

const RESERVED = new Set(['fields', 'offset', 'limit', 'sort']);

/** `a=1;b=2` is an alternative; a `;` that begins no term belongs to the value before it. */
const termsOf = (part: string): AnyOf => {
  const fragments: string[] = [];
  for (const fragment of part.split(';')) {
    if (fragments.length > 0 && !/[=<>]|%3[ce]/i.test(fragment)) fragments[fragments.length - 1] += `;${fragment}`;
    else fragments.push(fragment);
  }
  return fragments.map(termOf);
};

const termOf = (fragment: string): Term => {
  const at = fragment.indexOf('=');
  const key = decode(at < 0 ? fragment : fragment.slice(0, at));
  const raw = at < 0 ? '' : fragment.slice(at + 1);
  const sign = /[<>]/.exec(key);
  if (sign === null) {
    const dot = key.lastIndexOf('.');
    const operator = OPERATORS[key.slice(dot + 1)];
    return operator === undefined || dot < 1 ? term(key, 'eq', raw) : term(key.slice(0, dot), operator, raw);
  }
  // `a>1`, and `a>=1`, whose sign the first `=` has cut in two.
  const path = key.slice(0, sign.index);
  const than = sign[0] === '>' ? 'gt' : 'lt';
  const rest = key.slice(sign.index + 1);
  return at < 0 || rest !== ''
    ? { path: pathOf(path), operator: than, values: [rest + decode(at < 0 ? '' : `=${raw}`)] }
    : term(path, `${than}e`, raw);
};

const term = (key: string, operator: Operator, raw: string): Term => ({
  path: pathOf(key),
  operator,
  values: operator === 'eq' ? alternativesOf(raw) : [decode(raw)],
});

/**
 * A comma separates values, encoded or not, since many clients encode all of them; a value that holds a comma matches as a whole.
 * A plus is a plus (telephone numbers, time zones) and, as forms mean it, a space.
 */
const alternativesOf = (raw: string): readonly string[] => {
  const whole = decode(raw);
  const texts = [whole, ...(whole.includes(',') ? whole.split(',') : [])];
  return [...new Set([...texts, ...texts.map((text) => (raw.includes('+') ? text.replaceAll('+', ' ') : text))])];
};

/** The same attribute again is one more value. */
const gathered = (groups: readonly AnyOf[]): Filter => {
  const byPath = new Map<string, Term>();
  const filter: AnyOf[] = [];
  for (const group of groups) {
    const only = group.length === 1 && group[0]!.operator === 'eq' ? group[0]! : null;
    if (only === null) filter.push(group);
    else {
      const path = only.path.join('.');
      byPath.set(path, { ...only, values: [...(byPath.get(path)?.values ?? []), ...only.values] });
    }
  }
  return [...filter, ...[...byPath.values()].map((one) => [one])];
};

const fieldsOf = (texts: readonly string[] | undefined): TmfQuery['fields'] => {
  const names = listOf(texts);
  if (names.length === 0) return null;
  return names.filter((name) => name !== 'none').map(pathOf);
};

const sortKeyOf = (text: string): SortKey => ({ path: pathOf(text.replace(/^[-+]/, '')), descending: text.startsWith('-') });

const listOf = (texts: readonly string[] | undefined): readonly string[] =>
  (texts ?? [])
    .flatMap((text) => text.split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '');

const pathOf = (key: string): readonly string[] => {
  const path = key.split('.');
  if (path.length > DEEPEST) throw fieldFault(key.slice(0, 100), `leads deeper than ${DEEPEST} attributes`);
  return path;
};

const countOf = (name: string, asked: ReadonlyMap<string, readonly string[]>): number | null => {
  const text = asked.get(name)?.at(-1);
  if (text === undefined || text === '') return null;
  if (!/^\d{1,9}$/.test(text)) throw fieldFault(name, 'must be a whole number from 0');
  return Number(text);
};

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    throw fieldFault('query', `"${text.slice(0, 100)}" cannot be decoded; write % as %25`);
  }
};
