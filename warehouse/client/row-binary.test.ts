import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RowWriter } from './row-binary.ts';
import { RowReader } from './row-reader.ts';

const written = (write: (to: RowWriter) => void, capacity = 1): Buffer => {
  const writer = new RowWriter(capacity);
  write(writer);
  return writer.take();
};
/** A length below 128 and what follows. */
const counted = (bytes: Buffer | Uint8Array, count = bytes.length): Buffer => Buffer.concat([Buffer.from([count]), bytes]);
const bytesOf = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

describe('RowBinary', () => {
  test('text of any kind and length is its length and its UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
        const utf8 = Buffer.from(text, 'utf8');
        const bytes = written((to) => to.string(text));
        const lengthBytes = utf8.length < 128 ? 1 : 2;
        expect(bytes.length).toBe(lengthBytes + utf8.length);
        expect(bytes.subarray(lengthBytes)).toEqual(utf8);
      }),
      { seed: 1 },
    );
  });

  test('whole numbers and times are little-endian, over the whole range', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.integer({ min: -2_208_988_800_000, max: 10_413_791_999_999 }), (value, ms) => {
        expect(written((to) => to.u64(value)).readBigUInt64LE()).toBe(BigInt(value));
        expect(written((to) => to.dateTimeMs(ms)).readBigInt64LE()).toBe(BigInt(ms));
      }),
      { seed: 2 },
    );
  });

  test('values at their places, zero elsewhere; place -1 is the last', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }).chain((length) =>
          fc.record({
            length: fc.constant(length),
            entries: fc.uniqueArray(fc.tuple(fc.integer({ min: -1, max: length - 2 }), fc.float({ noNaN: true })), {
              selector: ([place]) => place,
            }),
          }),
        ),
        ({ length, entries }) => {
          const floats = new Float32Array(length);
          const flags = new Uint8Array(length);
          for (const [place, value] of entries) {
            floats[place === -1 ? length - 1 : place] = value;
            flags[place === -1 ? length - 1 : place] = 1;
          }
          const places = entries.map(([place]) => place);
          const values = entries.map(([, value]) => value);
          expect(written((to) => to.floatsAt(length, places, values))).toEqual(counted(bytesOf(floats), length));
          expect(written((to) => to.floats(values))).toEqual(counted(bytesOf(Float32Array.from(values)), values.length));
          expect(written((to) => to.flagsAt(length, places))).toEqual(counted(flags));
        },
      ),
      { seed: 3 },
    );
  });

  test('bytes are cut or filled up to a length', () => {
    expect(written((to) => to.bytesUpTo(3, [1, 2], null))).toEqual(Buffer.from([3, 1, 2, 0]));
    expect(written((to) => to.bytesUpTo(3, [1, 2], 9))).toEqual(Buffer.from([3, 1, 2, 9]));
    expect(written((to) => to.bytesUpTo(2, [1, 2, 3], null))).toEqual(Buffer.from([2, 1, 2]));
  });

  test('what was taken is not touched by what is written next, and half a row can be forgotten', () => {
    const writer = new RowWriter(8);
    writer.string('first');
    const length = writer.length;
    writer.string('half a row');
    writer.rewind(length);
    const taken = writer.take();
    writer.string('other');
    expect(String(taken)).toBe('\u0005first');
  });

  test('what was written is read again, bit for bit', () => {
    const row = fc.record({
      text: fc.string({ unit: 'binary', maxLength: 300 }),
      floats: fc.array(fc.float(), { maxLength: 200 }),
      double: fc.option(fc.double()),
      ms: fc.integer({ min: -2_208_988_800_000, max: 10_413_791_999_999 }),
      id: fc.uuid(),
      entries: fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 5 }),
    });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 5 }), (rows) => {
        const bytes = written((to) => {
          for (const { text, floats, double, ms, id, entries } of rows) {
            to.string(text);
            to.floats(floats);
            to.f64OrNull(double);
            to.dateTimeMs(ms);
            to.uuid(Buffer.from(id.replaceAll('-', ''), 'hex'));
            to.map(entries);
          }
        });
        const from = new RowReader(bytes);
        const again = [];
        while (!from.done) {
          const [text, floats, double, ms] = [from.string(), [...from.floats()], from.f64OrNull(), from.dateTimeMs()];
          again.push({ text, floats, double, ms, id: from.uuid(), entries: from.map() });
        }
        expect(again).toEqual(rows.map((one) => ({ ...one, text: Buffer.from(one.text).toString() })));
      }),
      { seed: 4 },
    );
  });
});
