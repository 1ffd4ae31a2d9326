/** A cell as the event's field wants it. */
import type { EventField } from '#project';
import { textOfCell } from './text-of-cell.ts';

/** Undefined: the cell is empty, and says nothing of the field. */
export type Converted = { readonly value: unknown } | { readonly fault: string } | undefined;

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;
const TRUE = new Set(['true', 'yes', '1', 't', 'y']);
const FALSE = new Set(['false', 'no', '0', 'f', 'n']);

export const convertValue = (cell: unknown, { name, type }: Pick<EventField, 'name' | 'type'>): Converted => {
  const value = plainOf(cell);
  if (value === undefined || value === null || value === '') return undefined;
  switch (type) {
    case 'string':
      return typeof value === 'object' ? wrong(name, 'text', value) : { value: textOfCell(value) };
    case 'number':
    case 'integer': {
      const number = typeof value === 'number' ? value : NUMBER.test(textOfCell(value).trim()) ? Number(value) : Number.NaN;
      const fits = type === 'integer' ? Number.isSafeInteger(number) : Number.isFinite(number);
      return fits ? { value: number } : wrong(name, type === 'integer' ? 'a whole number' : 'a number', value);
    }
    case 'boolean': {
      if (typeof value === 'boolean') return { value };
      const text = textOfCell(value).trim().toLowerCase();
      return TRUE.has(text) ? { value: true } : FALSE.has(text) ? { value: false } : wrong(name, 'true or false', value);
    }
    case 'object':
    case 'array':
      return typeof value === 'string' ? parsed(name, value) : { value };
    case 'any':
      return { value };
  }
};

const wrong = (name: string, wanted: string, value: unknown): { readonly fault: string } => ({
  fault: `${name} must be ${wanted}, not ${JSON.stringify(value)?.slice(0, 60)}`,
});

const parsed = (name: string, text: string): Converted => {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return wrong(name, 'JSON', text);
  }
};

/** What Parquet has, as JSON would have it. */
const plainOf = (cell: unknown): unknown => {
  if (typeof cell === 'bigint') return Number(cell);
  if (cell instanceof Date) return cell.toISOString();
  if (cell instanceof Uint8Array) return Buffer.from(cell).toString('utf8');
  return cell;
};
