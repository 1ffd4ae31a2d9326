/** What the customer sees of a chosen action: its treatment's texts, filled in and escaped for the channel. */
import type { Context, CustomerView } from '#contracts';
import type { Catalog, CatalogAction, Template, Treatment } from './catalog/types.ts';

export interface ContentInput {
  readonly view: CustomerView;
  readonly context: Context;
  /** BCP 47: its texts where the treatment has them, else those of the language without its region, else the treatment's own. */
  readonly language?: string | null;
}

export interface Content {
  readonly content: Readonly<Record<string, string>>;
  readonly flowId: string | null;
  /** Places that have neither value nor fallback, as `customer.name`: nothing stands there. */
  readonly missing: readonly string[];
}

/** Null: the catalog has no such action or treatment (the caller's own candidates have none). */
export const contentOf = (
  catalog: Catalog,
  chosen: { readonly actionId: string; readonly treatmentId: string },
  input: ContentInput,
): Content | null => {
  const action = catalog.actions[catalog.indexOf.get(chosen.actionId) ?? -1];
  const treatment = action?.treatments.find((one) => one.id === chosen.treatmentId);
  if (action === undefined || treatment === undefined) return null;
  const escape = catalog.channels.get(treatment.channel)?.escape === 'html' ? escapeHtml : escapeText;
  const content: Record<string, string> = {};
  const missing: string[] = [];
  const texts = { ...treatment.content, ...translationOf(treatment, input.language ?? null) };
  for (const [name, template] of Object.entries(texts)) content[name] = fill(template, action, input, escape, missing);
  return { content, flowId: treatment.flowId, missing };
};

const translationOf = ({ translations }: Treatment, language: string | null): Treatment['content'] | undefined => {
  if (language === null || translations.size === 0) return undefined;
  const tag = language.toLowerCase();
  return translations.get(tag) ?? translations.get(tag.split('-')[0]!);
};

const fill = (
  template: Template,
  action: CatalogAction,
  input: ContentInput,
  escape: (text: string) => string,
  missing: string[],
): string => {
  let text = template.texts[0]!;
  for (let i = 0; i < template.places.length; i++) {
    const place = template.places[i]!;
    const value = read(place.root, place.field, action, input);
    const none = value === undefined || value === '';
    if (none && place.fallback === null) missing.push(`${place.root}.${place.field}`);
    text += (none ? (place.fallback ?? '') : escape(print(value))) + template.texts[i + 1]!;
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
