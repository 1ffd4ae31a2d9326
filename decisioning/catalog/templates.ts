/** Texts with places to fill: `Dear {{customer.name|customer}}`, parsed once. */
import type { Template } from './types.ts';

const PLACE = /\{\{\s*([A-Za-z]+)\.([A-Za-z0-9_]+)\s*(?:\|([^}]*))?\}\}/g;
const ROOTS = ['customer', 'context', 'features', 'action'];

/** A sentence when a place cannot be read. */
export const parseTemplate = (text: string, check: (root: string, field: string) => string | null): Template | string => {
  const texts: string[] = [];
  const places: Template['places'][number][] = [];
  let end = 0;
  for (const match of text.matchAll(PLACE)) {
    const [whole, root, field, fallback] = match;
    if (!ROOTS.includes(root!)) return `{{${root!}.${field!}}}: a template may read ${ROOTS.join(', ')}`;
    const wrong = check(root!, field!);
    if (wrong !== null) return wrong;
    texts.push(text.slice(end, match.index));
    places.push({ root: root as 'customer', field: field!, fallback: fallback?.trim() ?? null });
    end = match.index + whole.length;
  }
  const rest = text.slice(end);
  if (rest.includes('{{') || [...texts].some((part) => part.includes('{{')))
    return `a place must read {{customer.field}} or {{customer.field|fallback}}, in: ${text}`;
  texts.push(rest);
  return { texts, places };
};
