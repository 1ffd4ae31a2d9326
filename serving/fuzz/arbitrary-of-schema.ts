/** From a JSON schema of the API to arbitrary bodies that mostly obey it; the subset that our schemas use. */
import fc from 'fast-check';

interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly format?: string;
}

/** @param hints values that lie beyond a schema's reach (a channel of the catalog), by field name */
export const arbitraryOfSchema = (schema: object, hints: Readonly<Record<string, readonly unknown[]>>): fc.Arbitrary<unknown> =>
  build(schema, hints, '');

const build = (schema: Schema, hints: Readonly<Record<string, readonly unknown[]>>, name: string): fc.Arbitrary<unknown> => {
  const hinted = hints[name];
  const plain = buildPlain(schema, hints);
  return hinted === undefined ? plain : fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...hinted) }, { weight: 1, arbitrary: plain });
};

const buildPlain = (schema: Schema, hints: Readonly<Record<string, readonly unknown[]>>): fc.Arbitrary<unknown> => {
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one) => build(one, hints, '')));
  const type = Array.isArray(schema.type) ? (schema.type[0] as string) : schema.type;
  switch (type) {
    case 'string':
      return text(schema);
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -1_000, max: Math.min(schema.maximum ?? 1_000, 1_000_000) });
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(build(schema.items ?? {}, hints, ''), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 4, 4),
      });
    case 'object':
      return object(schema, hints);
    default:
      return fc.jsonValue();
  }
};

const text = (schema: Schema): fc.Arbitrary<string> => {
  if (schema.format === 'date-time') {
    return fc.oneof(
      fc.date({ min: new Date('2020-01-01'), max: new Date('2026-01-01'), noInvalidDate: true }).map((date) => date.toISOString()),
      fc.constantFrom('2026-01-01T23:59:60Z', '2025-06-01 10:00:00+00:00', '9999-12-31T23:59:59Z', '0001-01-01T00:00:00Z'),
    );
  }
  const maxLength = Math.min(schema.maxLength ?? 30, 30);
  return fc.oneof(
    fc.string({ minLength: schema.minLength ?? 0, maxLength }),
    fc.string({ unit: 'binary', minLength: schema.minLength ?? 0, maxLength }),
    fc.stringMatching(/^[a-z]{1,12}$/),
  );
};

const object = (schema: Schema, hints: Readonly<Record<string, readonly unknown[]>>): fc.Arbitrary<unknown> => {
  const { properties = {}, required = [], patternProperties = {} } = schema;
  const fields = Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, build(one, hints, name)]));
  const known = fc.record(fields, { requiredKeys: required.filter((name) => name in fields) });
  const [pattern] = Object.values(patternProperties);
  if (pattern === undefined || Object.keys(properties).length > 0) return known;
  return fc.dictionary(
    fc.oneof(fc.stringMatching(/^[a-zA-Z]{1,8}$/), fc.constantFrom('__proto__', 'constructor', 'toString', '')),
    build(pattern, hints, ''),
    { maxKeys: 5 },
  );
};
