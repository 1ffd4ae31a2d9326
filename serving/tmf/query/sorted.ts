/** Resources in the order of `sort`: the first key first; what has no value comes last. */
import { compare, valuesAt } from './filter.ts';
import type { SortKey } from './parse-query.ts';

export const sorted = <T extends object>(resources: readonly T[], keys: readonly SortKey[]): readonly T[] => {
  if (keys.length === 0) return resources;
  const rows = resources.map((resource) => ({ resource, values: keys.map(({ path }) => valuesAt(resource, path)[0]) }));
  return rows
    .toSorted((a, b) => {
      for (const [index, { descending }] of keys.entries()) {
        const [left, right] = [a.values[index], b.values[index]];
        if (left === undefined || right === undefined) {
          if (left !== right) return left === undefined ? 1 : -1;
          continue;
        }
        const order = compare(left, right) ?? 0;
        if (order !== 0) return descending ? -order : order;
      }
      return 0;
    })
    .map(({ resource }) => resource);
};
