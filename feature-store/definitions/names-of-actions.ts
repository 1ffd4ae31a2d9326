/** The catalog's action ids, which states abbreviate to a number; the catalog's own checks are decisioning's. */
import type { Project } from '#project';
import { isRecord } from './parse-parts.ts';

/** Sorted, so that moving an action between files changes nothing. Reads a mapping from id, or a list of `{ id }`, also under `actions`. */
export const namesOfActions = (project: Project): string[] => {
  const ids = project.documents('actions').flatMap(({ value }) => idsOf(isRecord(value) && 'actions' in value ? value['actions'] : value));
  return [...new Set(ids)].toSorted();
};

const idsOf = (value: unknown): string[] => {
  if (Array.isArray(value))
    return value.flatMap((entry: unknown) => (isRecord(entry) && typeof entry['id'] === 'string' ? [entry['id']] : []));
  return isRecord(value) ? Object.keys(value) : [];
};
