/** Reads the fields of one mapping of a YAML file: a value of the right kind, or its default and a fault with the place. */
import type { DocumentPath, ProjectDocument } from '../document.ts';
import type { Fault } from '../faults.ts';

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

type Given = Readonly<Record<string, unknown>>;

export const isRecord = (value: unknown): value is Given => typeof value === 'object' && value !== null && !Array.isArray(value);

const shown = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value));

/** A default of `undefined` means that the field must be there. */
export class Fields {
  readonly given: Given;
  readonly #document: ProjectDocument;
  readonly #at: DocumentPath;
  readonly #faults: Fault[];
  readonly #read = new Set<string>();

  constructor(document: ProjectDocument, at: DocumentPath, value: unknown, faults: Fault[]) {
    this.given = isRecord(value) ? value : {};
    this.#document = document;
    this.#at = at;
    this.#faults = faults;
    if (!isRecord(value)) this.fault(null, `expected a mapping, not ${shown(value)}`);
  }

  /** @param key null: of the mapping itself */
  fault(key: string | null, message: string): void {
    this.#faults.push(this.#document.fault(key === null ? this.#at : [...this.#at, key], message));
  }

  text<T extends string | null = never>(key: string, otherwise?: T): string | T {
    return this.#value(key, otherwise, 'a text', (value) => (typeof value === 'string' && value.trim() !== '' ? value : null));
  }

  /** The name of an environment variable. */
  variable<T extends string | null = never>(key: string, otherwise?: T): string | T {
    return this.#value(key, otherwise, 'the name of an environment variable, as in ATTUNE_SMTP_PASSWORD', (value) =>
      typeof value === 'string' && /^[A-Z][A-Z0-9_]*$/.test(value) ? value : null,
    );
  }

  flag(key: string, otherwise: boolean): boolean {
    return this.#value(key, otherwise, 'true or false', (value) => (typeof value === 'boolean' ? value : null));
  }

  whole<T extends number | null = never>(key: string, range: readonly [number, number], otherwise?: T): number | T {
    const [least, most] = range;
    return this.#value(key, otherwise, `a whole number from ${least} to ${most}`, (value) =>
      Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most ? (value as number) : null,
    );
  }

  number<T extends number | null = never>(key: string, otherwise?: T): number | T {
    return this.#value(key, otherwise, 'a number above 0', (value) =>
      typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : null,
    );
  }

  /** Milliseconds. */
  duration(key: string, otherwise: number): number {
    return this.#value(key, otherwise, 'a duration: 500ms, 30s, 15m, 24h or 7d', (value) => {
      const match = /^(\d+(?:\.\d+)?)(ms|[smhd])$/.exec(typeof value === 'string' ? value : '');
      const ms = match === null ? 0 : Math.round(Number(match[1]) * UNITS_MS[match[2]!]!);
      return ms > 0 ? ms : null;
    });
  }

  oneOf<T extends string>(key: string, words: readonly T[], otherwise?: T): T {
    return this.#value(key, otherwise, `one of ${words.join(', ')}`, (value) => words.find((word) => word === value) ?? null);
  }

  texts(key: string): readonly string[] {
    return this.#value(key, [], 'a list of texts', (value) =>
      Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : null,
    );
  }

  /** A mapping from text to text. */
  map(key: string): ReadonlyMap<string, string> {
    return this.#value(key, new Map<string, string>(), 'a mapping from name to text', (value) =>
      isRecord(value) && Object.values(value).every((each) => typeof each === 'string')
        ? new Map(Object.entries(value as Record<string, string>))
        : null,
    );
  }

  any(key: string): unknown {
    this.#read.add(key);
    return this.given[key];
  }

  /** The mapping below `key`; null: there is none. */
  below(key: string): Fields | null {
    const value = this.any(key);
    return value === undefined ? null : new Fields(this.#document, [...this.#at, key], value, this.#faults);
  }

  /** The mappings of the list below `key`. */
  list(key: string): readonly Fields[] {
    const value = this.any(key) ?? [];
    if (!Array.isArray(value)) this.fault(key, `'${key}' must be a list, not ${shown(value)}`);
    const items = Array.isArray(value) ? (value as unknown[]) : [];
    return items.map((item, index) => new Fields(this.#document, [...this.#at, key, String(index)], item, this.#faults));
  }

  /** A fault for every field that nobody read. */
  refuseUnknown(): void {
    for (const key of Object.keys(this.given)) {
      if (!this.#read.has(key)) this.fault(key, `unknown field '${key}'; known are ${[...this.#read].join(', ')}`);
    }
  }

  #value<T, D>(key: string, otherwise: D | undefined, what: string, parse: (value: unknown) => T | null): T | D {
    this.#read.add(key);
    const value = this.given[key];
    if (value === undefined && otherwise !== undefined) return otherwise;
    const parsed = parse(value);
    if (parsed !== null) return parsed;
    if (value === undefined) this.fault(null, `'${key}' is missing: ${what}`);
    else this.fault(key, `'${key}' must be ${what}, not ${shown(value)}`);
    // The project is refused; what stands here is never read.
    return (otherwise ?? '') as D;
  }
}
