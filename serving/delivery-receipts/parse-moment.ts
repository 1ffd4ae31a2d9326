/** From here on a number is of milliseconds: as seconds it would be the year 5138. */
const FIRST_MS = 100_000_000_000;

/** ms since 1970 UTC, of RFC 3339 or of seconds or milliseconds since 1970; null: it is neither. */
export const parseMoment = (text: string): number | null => {
  if (/^\d{1,15}(\.\d{1,9})?$/.test(text)) return Math.round(Number(text) < FIRST_MS ? Number(text) * 1_000 : Number(text));
  if (!/^\d{4}-\d\d-\d\dT/.test(text)) return null;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? null : atMs;
};
