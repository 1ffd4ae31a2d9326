/** The attributes that a client asked for by `fields`; id and href always. */
import type { TmfResource } from '../resource.ts';

export const project = (resource: TmfResource, fields: readonly (readonly string[])[] | null): object =>
  fields === null ? resource : { id: resource.id, href: resource.href, ...(pick(resource, fields) as object) };

/** Through arrays, each element. */
const pick = (from: unknown, paths: readonly (readonly string[])[]): unknown => {
  if (paths.some((path) => path.length === 0)) return from;
  if (Array.isArray(from)) return from.map((element) => pick(element, paths));
  if (typeof from !== 'object' || from === null) return {};
  const picked: Record<string, unknown> = {};
  for (const name of new Set(paths.map((path) => path[0]!))) {
    if (!Object.hasOwn(from, name)) continue;
    const inside = paths.filter((path) => path[0] === name).map((path) => path.slice(1));
    picked[name] = pick((from as Record<string, unknown>)[name], inside);
  }
  return picked;
};
