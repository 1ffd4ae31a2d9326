/** Avro values as plain data, as JSON would have them: for records of others, whose schemas we do not choose. */
import avro from 'avsc';

/** Numbers where they are exact; whole numbers beyond 2^53 are text, since an id must not be rounded. */
const longs = avro.types.LongType.__with({
  fromBuffer(buffer: Buffer): number | string {
    const value = buffer.readBigInt64LE();
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  },
  toBuffer(value: number | string): Buffer {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(BigInt(value));
    return buffer;
  },
  fromJSON: (value: unknown) => value,
  toJSON: (value: unknown) => value,
  isValid: (value: unknown) => typeof value === 'number' || typeof value === 'string',
  compare: (a: number | string, b: number | string) => Number(a) - Number(b),
});

/** Read only: nothing of others is written. */
abstract class Reading extends avro.types.LogicalType {
  protected override _toValue(): never {
    throw new Error('only read');
  }
}

/** Unscaled bytes, big-endian two's complement. */
class Decimal extends Reading {
  readonly #scale: number;

  constructor(schema: avro.Schema, options: unknown) {
    super(schema, options);
    this.#scale = (schema as { scale?: number }).scale ?? 0;
  }

  protected override _fromValue(bytes: Buffer): number {
    const text = bytes.toString('hex');
    const unscaled = text === '' ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${text}`));
    // By the decimal text, as JSON.parse would read it: dividing rounds twice.
    return Number(`${unscaled}e-${this.#scale}`);
  }
}

/** Milliseconds since 1970 from a finer unit. */
const timestampOf = (unitsPerMs: number): typeof Reading =>
  class extends Reading {
    protected override _fromValue(value: number | string): number {
      return Math.floor(Number(value) / unitsPerMs);
    }
  };

/** 2026-11-23 */
class DateText extends Reading {
  protected override _fromValue(days: number): string {
    return new Date(days * 86_400_000).toISOString().slice(0, 10);
  }
}

/** For avsc: a fresh registry each time, since it keeps the names of a schema. */
export const plainTypeOptions = (): Partial<avro.ForSchemaOptions> & { registry: Record<string, avro.Type> } => ({
  registry: { long: longs },
  logicalTypes: {
    decimal: Decimal,
    date: DateText,
    'timestamp-micros': timestampOf(1_000),
    'timestamp-nanos': timestampOf(1_000_000),
  } as never,
});

/** Objects without classes, bytes as base64. */
export const toPlain = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value;
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (Array.isArray(value)) return value.map(toPlain);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, toPlain(field)]));
};
