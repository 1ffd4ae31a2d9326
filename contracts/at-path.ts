/** The value at a dotted path of parsed JSON: `messages.0.id`. */
export const atPath = (value: unknown, path: string): unknown => {
  let found = value;
  for (const step of path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined;
    found = (found as Record<string, unknown>)[step];
  }
  return found;
};

/** Null: there is no text or number at the path. */
export const textAt = (value: unknown, path: string | null): string | null => {
  const found = path === null ? undefined : atPath(value, path);
  if (typeof found === 'number') return String(found);
  return typeof found === 'string' && found !== '' ? found : null;
};
