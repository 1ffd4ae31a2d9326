/** Which column of somebody's historical log means what: what was done, what it brought, how likely it was, and what was known at the time. */
import { AttuneError } from '#contracts';

export interface HistoryMapping {
  /** Column of what was done. Default `action`. */
  readonly action?: string;
  /** Column of what it brought, a number. Default `reward`. */
  readonly reward?: string;
  /** Column of P(action | what was known) of whoever decided. Default `probability`, where there is one. */
  readonly probability?: string;
  /** Column of when: ISO 8601, or seconds or milliseconds since 1970. Default `time`, where there is one. */
  readonly time?: string;
  /** Column of the channel. Default `channel`, where there is one. */
  readonly channel?: string;
  /** Column → name by which the decisions to come will call it. */
  readonly columns?: Readonly<Record<string, string>>;
  readonly ignore?: readonly string[];
}

export interface HistoryPlan {
  readonly action: number;
  readonly reward: number;
  readonly probability: number | null;
  readonly time: number | null;
  readonly channel: number | null;
  readonly known: readonly { readonly index: number; readonly name: string }[];
}

/** Throws `warm-start.columns`, naming the column and those that there are. */
export const planHistory = (columns: readonly string[], mapping: HistoryMapping): HistoryPlan => {
  const find = (key: 'action' | 'reward' | 'probability' | 'time' | 'channel'): number | null => {
    const name = mapping[key] ?? key;
    const index = columns.indexOf(name);
    if (index >= 0) return index;
    if (mapping[key] === undefined && key !== 'action' && key !== 'reward') return null;
    throw new AttuneError('warm-start.columns', `there is no column "${name}" for ${key}; the file has ${columns.join(', ')}`);
  };
  for (const name of [...Object.keys(mapping.columns ?? {}), ...(mapping.ignore ?? [])])
    if (!columns.includes(name))
      throw new AttuneError('warm-start.columns', `the mapping names a column "${name}"; the file has ${columns.join(', ')}`);
  const plan = {
    action: find('action')!,
    reward: find('reward')!,
    probability: find('probability'),
    time: find('time'),
    channel: find('channel'),
  };
  const taken = new Set(Object.values(plan));
  const known = columns.flatMap((column, index) =>
    taken.has(index) || mapping.ignore?.includes(column) === true ? [] : [{ index, name: mapping.columns?.[column] ?? column }],
  );
  return { ...plan, known };
};
