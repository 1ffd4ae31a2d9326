/** What the customer sees of a chosen action: its treatment's texts, filled in and escaped for the channel. */
import type { Context, CustomerView } from '#contracts';
import type { Catalog, CatalogAction, Template } from './catalog/types.ts';

export interface ContentInput {
  readonly view: CustomerView;
  readonly context: Context;
}

/** Null: the catalog has no such action or treatment (the caller's own candidates have none). */
export const contentOf = (
  catalog: Catalog,
  chosen: { readonly actionId: string; readonly treatmentId: string },
  input: ContentInput,
): { readonly content: Readonly<Record<string, string>>; readonly flowId: string | null } | null => {
  const action = catalog.actions[catalog.indexOf.get(chosen.actionId) ?? -1];
  const treatment = action?.treatments.find((one) => one.id === chosen.treatmentId);
  if (action === undefined || treatment === undefined) return null;
  const escape = catalog.channels.get(treatment.channel)?.escape === 'html' ? escapeHtml : escapeText;
  const content: Record<string, string> = {};
  for (const [name, template] of Object.entries(treatment.content)) content[name] = fill(template, action, input, escape);
  return { content, flowId: treatment.flowId };
};

const fill = (template: Template, action: CatalogAction, input: ContentInput, escape: (text: string) => string): string => {
  let text = template.texts[0]!;
  for (let i = 0; i < template.places.length; i++) {
    const place = template.places[i]!;
    const value = read(place.root, place.field, action, input);
    text += (value === undefined || value === '' ? place.fallback : escape(print(value))) + template.texts[i + 1]!;
  }
  return text;
};

const read = (
  root: string,
  field: string,
  action: CatalogAction,
  { view, context }: ContentInput,
): string | number | boolean | undefined => {
  if (root === 'features') {
    const index = view.featureNames.indexOf(field);
    return index < 0 ? undefined : view.features[index];
  }
  const record = root === 'customer' ? view.attributes : root === 'context' ? context : action.scope;
  return Object.hasOwn(record, field) ? record[field] : undefined;
};

/** Whole numbers as they are, others with two decimals. */
const print = (value: string | number | boolean): string =>
  typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(2) : String(value);

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u001f\u007f\u2028\u2029]+/g;

/** One line: a name must not be able to start a new header or paragraph. */
const escapeText = (text: string): string => text.replace(CONTROLS, ' ');

const escapeHtml = (text: string): string => escapeText(text).replace(/[&<>"']/g, (character) => ENTITIES[character]!);
