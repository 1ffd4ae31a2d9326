/** Reads a part of a YAML document field by field, and notes a fault with its place for everything that is wrong. */
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#contracts';
import type { DocumentPath, Fault, ProjectDocument } from '#project';

export interface Reader {
  readonly at: DocumentPath;
  readonly keys: readonly string[];
  has(key: string): boolean;
  raw(key: string): unknown;
  fault(key: string | null, message: string): void;
  faultAt(path: DocumentPath, message: string): void;
  /** Faults for every field that is not named. */
  only(names: readonly string[], what: string): void;
  text(key: string, fallback?: string): string;
  number(key: string, fallback?: number, bounds?: { min?: number; max?: number }): number;
  /** Milliseconds, of a text such as 90s, 30m, 4h or 3d. */
  duration(key: string, fallback: number): number;
  flag(key: string, fallback: boolean): boolean;
  oneOf<T extends string>(key: string, values: readonly T[], fallback?: T): T;
  /** Null when absent; each must be among `known`. */
  names(key: string, known: readonly string[], what: string): readonly string[] | null;
  child(key: string): Reader | null;
  /** The items of a list of mappings. */
  items(key: string): readonly Reader[];
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** @returns null, with a fault, when there is no mapping at `at`. */
export const createReader = (document: ProjectDocument, at: DocumentPath, value: unknown, faults: Fault[]): Reader | null => {
  if (!isRecord(value)) {
    faults.push(document.fault(at, `expected a mapping here, not ${describe(value)}`));
    return null;
  }
  const place = (key: string | null): DocumentPath => (key === null ? at : [...at, key]);
  const fault = (key: string | null, message: string): void => void faults.push(document.fault(place(key), message));
  const absent = (key: string): boolean => value[key] === undefined || value[key] === null;
  const required = (key: string, kind: string): void => fault(null, `'${key}' is required: ${kind}`);
  return {
    at,
    keys: Object.keys(value),
    has: (key) => !absent(key),
    raw: (key) => value[key],
    fault,
    faultAt: (path, message) => void faults.push(document.fault([...at, ...path], message)),
    only(names, what) {
      for (const key of Object.keys(value)) {
        if (!names.includes(key)) fault(key, `unknown field '${key}'${nearest(key, names)}; ${what} has ${names.join(', ')}`);
      }
    },
    text(key, fallback) {
      const found = value[key];
      if (typeof found === 'string' && found !== '') return found;
      if (!absent(key)) fault(key, `'${key}' must be text, not ${describe(found)}`);
      else if (fallback === undefined) required(key, 'a text');
      return fallback ?? '';
    },
    number(key, fallback, bounds = {}) {
      const found = value[key];
      if (typeof found === 'number' && Number.isFinite(found)) {
        const { min = -Infinity, max = Infinity } = bounds;
        if (found < min || found > max) fault(key, `'${key}' must lie between ${min} and ${max}, not ${found}`);
        return found;
      }
      if (!absent(key)) fault(key, `'${key}' must be a number, not ${describe(found)}`);
      else if (fallback === undefined) required(key, 'a number');
      return fallback ?? 0;
    },
    duration(key, fallback) {
      if (absent(key)) return fallback;
      const found = value[key];
      const match = typeof found === 'string' ? /^(\d+(?:\.\d+)?)([smhd])$/.exec(found) : null;
      if (match !== null) return Math.round(Number(match[1]) * UNITS_MS[match[2]!]!);
      fault(key, `'${key}' must be a duration such as 90s, 30m, 4h or 3d, not ${describe(found)}`);
      return fallback;
    },
    flag(key, fallback) {
      const found = value[key];
      if (typeof found === 'boolean') return found;
      if (!absent(key)) fault(key, `'${key}' must be true or false, not ${describe(found)}`);
      return fallback;
    },
    oneOf(key, values, fallback) {
      const found = value[key];
      if (values.includes(found as never)) return found as (typeof values)[number];
      if (!absent(key)) fault(key, `'${key}' must be one of ${values.join(', ')}, not ${describe(found)}`);
      else if (fallback === undefined) required(key, `one of ${values.join(', ')}`);
      return fallback ?? values[0]!;
    },
    names(key, known, what) {
      const found = value[key];
      if (absent(key)) return null;
      const list = Array.isArray(found) ? (found as unknown[]) : [found];
      list.forEach((name, i) => {
        if (typeof name !== 'string' || !known.includes(name)) {
          faults.push(
            document.fault(
              Array.isArray(found) ? [...at, key, i] : [...at, key],
              `unknown ${what} ${describe(name)}${nearest(String(name), known)}`,
            ),
          );
        }
      });
      return list.map(String);
    },
    child: (key) => (absent(key) ? null : createReader(document, place(key), value[key], faults)),
    items(key) {
      const found = value[key];
      if (absent(key)) return [];
      if (!Array.isArray(found)) {
        fault(key, `'${key}' must be a list`);
        return [];
      }
      return (found as unknown[]).flatMap((item, i) => createReader(document, [...at, key, i], item, faults) ?? []);
    },
  };
};

export const describe = (value: unknown): string => {
  if (value === null || value === undefined) return 'nothing';
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 60)}…` : value}'`;
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a mapping' : JSON.stringify(value);
};

/** `; did you mean 'value'?` for a slip of one or two letters. */
export const nearest = (name: string, known: readonly string[]): string => {
  let best: string | null = null;
  let distance = 3;
  for (const candidate of known) {
    const d = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (d < distance) {
      distance = d;
      best = candidate;
    }
  }
  return best === null ? '' : `; did you mean '${best}'?`;
};

const editDistance = (a: string, b: string): number => {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
};
