/** ClickHouse's RowBinary, written into one growing buffer: twentyfold less work than JSON for wide rows. */

/** An Array(String) that many rows share, encoded once. */
export interface EncodedStrings {
  readonly count: number;
  readonly bytes: Buffer;
}

export class RowWriter {
  private buffer: Buffer;
  /** Of the same bytes: the engine compiles its setters to single stores, which it does not with Buffer's. */
  private view: DataView;
  private at = 0;
  /** Length of what was taken last: the next is likely to be as long. */
  private expected = 0;

  constructor(capacity = 1 << 16) {
    this.buffer = Buffer.allocUnsafeSlow(capacity);
    this.view = viewOf(this.buffer);
  }

  get length(): number {
    return this.at;
  }

  /** What was written; the writer starts anew, and holds no memory until it is written to. */
  take(): Buffer {
    const taken = this.buffer.subarray(0, this.at);
    this.expected = this.at;
    this.buffer = Buffer.alloc(0);
    this.view = viewOf(this.buffer);
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
    this.view.setUint16(this.at, value, true);
    this.at += 2;
  }

  u32(value: number): void {
    this.room(4);
    this.view.setUint32(this.at, value, true);
    this.at += 4;
  }

  /** Exact to 2^53. */
  u64(value: number): void {
    this.room(8);
    this.view.setUint32(this.at, value % 0x1_0000_0000, true);
    this.view.setUint32(this.at + 4, Math.floor(value / 0x1_0000_0000), true);
    this.at += 8;
  }

  f32(value: number): void {
    this.room(4);
    this.view.setFloat32(this.at, value, true);
    this.at += 4;
  }

  f64(value: number): void {
    this.room(8);
    this.view.setFloat64(this.at, value, true);
    this.at += 8;
  }

  f64OrNull(value: number | null): void {
    this.bool(value === null);
    if (value !== null) this.f64(value);
  }

  /** DateTime64(3): ms since 1970 UTC; the column holds 1900 to 2299, and what lies outside is brought to its ends. */
  dateTimeMs(value: number): void {
    this.room(8);
    const ms = Math.min(Math.max(Math.trunc(value), -2_208_988_800_000), 10_413_791_999_999);
    const high = Math.floor(ms / 0x1_0000_0000);
    this.view.setUint32(this.at, ms - high * 0x1_0000_0000, true);
    this.view.setInt32(this.at + 4, high, true);
    this.at += 8;
  }

  dateTimeMsOrNull(value: number | null): void {
    this.bool(value === null);
    if (value !== null) this.dateTimeMs(value);
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
      this.buffer[this.at++] = HEX[bytes[i]! >> 4]!;
      this.buffer[this.at++] = HEX[bytes[i]! & 15]!;
    }
  }

  string(text: string): void {
    if (text.length <= SHORT && this.shortAscii(text)) return;
    const bytes = Buffer.byteLength(text);
    this.count(bytes);
    this.room(bytes);
    this.at += this.buffer.write(text, this.at, bytes, 'utf8');
  }

  /** Names and codes, of which a row is full: two calls into the runtime cost more than their few letters. False: not ASCII, undone. */
  private shortAscii(text: string): boolean {
    this.room(1 + SHORT);
    const { buffer } = this;
    const start = this.at + 1;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      buffer[start + i] = code;
    }
    buffer[this.at] = text.length;
    this.at = start + text.length;
    return true;
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
    const { view } = this;
    let at = this.at;
    for (let i = 0; i < values.length; i++, at += 4) view.setFloat32(at, values[i]!, true);
    this.at = at;
  }

  /** An array of `length` that holds `values[i]` at `places[i]`, and 0 elsewhere; place -1 is the last. */
  floatsAt(length: number, places: ArrayLike<number>, values: ArrayLike<number>): void {
    this.count(length);
    const base = this.zeros(length * 4);
    const { view } = this;
    for (let i = 0; i < values.length; i++) view.setFloat32(base + 4 * placed(places[i]!, length), values[i]!, true);
  }

  /** Likewise of bytes: 1 at each place. */
  flagsAt(length: number, places: ArrayLike<number>): void {
    this.count(length);
    const base = this.zeros(length);
    for (let i = 0; i < places.length; i++) this.buffer[base + placed(places[i]!, length)] = 1;
  }

  /** `values` cut or filled up with 0 to `length`; the last one is `last` where that is given. */
  bytesUpTo(length: number, values: ArrayLike<number>, last: number | null): void {
    this.count(length);
    const base = this.zeros(length);
    for (let i = 0; i < Math.min(length, values.length); i++) this.buffer[base + i] = values[i]!;
    if (last !== null) this.buffer[base + length - 1] = last;
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
    this.buffer.set(strings.bytes, this.at);
    this.at += strings.bytes.length;
  }

  /** Where they begin. */
  private zeros(bytes: number): number {
    this.room(bytes);
    const base = this.at;
    // Not Buffer's own fill, which costs more than the zeros.
    Uint8Array.prototype.fill.call(this.buffer, 0, base, base + bytes);
    this.at = base + bytes;
    return base;
  }

  private room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.at + bytes, this.buffer.length === 0 ? this.expected : 0));
    this.buffer.copy(grown, 0, 0, this.at);
    this.buffer = grown;
    this.view = viewOf(grown);
  }
}

const HEX = Buffer.from('0123456789abcdef');
/** Below 128, so that the length is one byte. */
const SHORT = 32;

const viewOf = (buffer: Buffer): DataView => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
const placed = (place: number, length: number): number => (place === -1 ? length - 1 : place);

export const encodeStrings = (values: readonly string[]): EncodedStrings => {
  const writer = new RowWriter(1_024);
  writer.strings(values);
  return { count: values.length, bytes: writer.take() };
};
