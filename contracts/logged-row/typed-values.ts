/** Values of any type as text with a letter for the type, for stores whose maps hold text; and back, bit for bit. */
import type { AttributeValue } from '../customer-view/customer-view.ts';

export interface TypedEntries {
  readonly entries: readonly (readonly [string, string])[];
  /** A letter an entry: s text, n number, b true or false. */
  readonly types: string;
}

/** Plain values only, those that `keeps` lets through: what is nested inside one could be personal. */
export const typedEntriesOf = (values: Readonly<Record<string, unknown>>, keeps: (name: string) => boolean): TypedEntries => {
  const entries: (readonly [string, string])[] = [];
  let types = '';
  for (const name of Object.keys(values)) {
    const value = values[name];
    if ((typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') || !keeps(name)) continue;
    entries.push([name, Object.is(value, -0) ? '-0' : String(value)]);
    types += typeof value === 'string' ? 's' : typeof value === 'number' ? 'n' : 'b';
  }
  return { entries, types };
};

/** Without types (rows of before they were kept) a value that reads as a number or a truth value is taken for one. */
export const valuesOfEntries = ({ entries, types }: TypedEntries): Readonly<Record<string, AttributeValue>> => {
  const values: Record<string, AttributeValue> = {};
  const typed = types.length === entries.length;
  for (const [i, [name, text]] of entries.entries()) values[name] = typed ? ofType(text, types[i]!) : guessed(text);
  return values;
};

const ofType = (text: string, type: string): AttributeValue => (type === 'n' ? Number(text) : type === 'b' ? text === 'true' : text);

const guessed = (text: string): AttributeValue =>
  text === 'true' || text === 'false' ? text === 'true' : text !== '' && String(Number(text)) === text ? Number(text) : text;
