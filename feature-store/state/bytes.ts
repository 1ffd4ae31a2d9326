/** Bytes in and out: varints, compact numbers and short text, for codecs that count every byte. */
import { AttuneError } from '#contracts';

const VARINT = 201;
const NEGATIVE = 202;
const CENTS = 203;
const NEGATIVE_CENTS = 204;
const FLOAT32 = 205;
const FLOAT64 = 206;
const NULL = 200;

/** Reused by its owner: `reset`, write, `copy`. */
export class ByteWriter {
  buffer: Buffer;
  at = 0;

  constructor(size = 4096) {
    this.buffer = Buffer.allocUnsafeSlow(size);
  }

  reset(): void {
    this.at = 0;
  }

  reserve(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.at + bytes));
    larger.set(this.buffer.subarray(0, this.at), 0);
    this.buffer = larger;
  }

  u8(value: number): void {
    this.reserve(1);
    this.buffer[this.at++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    this.at = this.buffer.writeUInt32BE(value, this.at);
  }

  u48(value: number): void {
    this.reserve(6);
    this.at = this.buffer.writeUIntBE(value, this.at, 6);
  }

  f32(value: number): void {
    this.reserve(4);
    this.at = this.buffer.writeFloatLE(value, this.at);
  }

  f64(value: number): void {
    this.reserve(8);
    this.at = this.buffer.writeDoubleLE(value, this.at);
  }

  /** @param value an integer from 0 to 2^53 */
  varint(value: number): void {
    this.reserve(8);
    const { buffer } = this;
    let rest = value;
    while (rest > 0x7fffffff) {
      buffer[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest > 0x7f) {
      buffer[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[this.at++] = rest;
  }

  /** Any integer; small ones of either sign are short. */
  signed(value: number): void {
    this.varint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length);
    this.buffer.set(value, this.at);
    this.at += value.length;
  }

  copyFrom(source: Buffer, from: number, to: number): void {
    this.reserve(to - from);
    source.copy(this.buffer, this.at, from, to);
    this.at += to - from;
  }

  text(value: string): void {
    const length = Buffer.byteLength(value, 'utf8');
    this.varint(length);
    this.reserve(length);
    this.buffer.write(value, this.at, length, 'utf8');
    this.at += length;
  }

  /** Any number, exactly, or null: 1 byte for 0..199, then integers, hundredths, float32 and float64, whichever is shortest. */
  number(value: number | null): void {
    if (value === null) this.u8(NULL);
    else if (Number.isInteger(value) && Math.abs(value) < 2 ** 53 && !Object.is(value, -0)) this.integer(value, VARINT);
    else if (Number.isInteger(Math.round(value * 100)) && Math.abs(value) < 1e6 && Math.round(value * 100) / 100 === value && value !== 0)
      this.integer(Math.round(value * 100), CENTS);
    else if (Math.fround(value) === value) {
      this.u8(FLOAT32);
      this.f32(value);
    } else {
      this.u8(FLOAT64);
      this.f64(value);
    }
  }

  private integer(value: number, tag: number): void {
    if (tag === VARINT && value >= 0 && value < NULL) return this.u8(value);
    this.u8(value < 0 ? tag + 1 : tag);
    this.varint(Math.abs(value));
  }
}

/** Reads what ByteWriter wrote; past the end it throws `state.corrupt`. */
export class ByteReader {
  readonly buffer: Buffer;
  at: number;
  readonly end: number;

  constructor(buffer: Buffer, at = 0, end = buffer.length) {
    this.buffer = buffer;
    this.at = at;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  private take(bytes: number): number {
    const at = this.at;
    this.at += bytes;
    if (this.at > this.end)
      throw new AttuneError('state.corrupt', `a stored state ends at byte ${this.end}, ${bytes} more were expected at ${at}`);
    return at;
  }

  /** Where the skipped bytes begin. */
  skip(bytes: number): number {
    return this.take(bytes);
  }

  u8(): number {
    return this.buffer[this.take(1)]!;
  }

  u32(): number {
    return this.buffer.readUInt32BE(this.take(4));
  }

  u48(): number {
    return this.buffer.readUIntBE(this.take(6), 6);
  }

  f32(): number {
    return this.buffer.readFloatLE(this.take(4));
  }

  f64(): number {
    return this.buffer.readDoubleLE(this.take(8));
  }

  varint(): number {
    let byte = this.u8();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 0x80;
    do {
      byte = this.u8();
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte >= 0x80);
    return value;
  }

  signed(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  bytes(length: number): Buffer {
    const at = this.take(length);
    return this.buffer.subarray(at, at + length);
  }

  text(): string {
    const length = this.varint();
    const at = this.take(length);
    return this.buffer.toString('utf8', at, at + length);
  }

  number(): number | null {
    const tag = this.u8();
    switch (tag) {
      case NULL:
        return null;
      case VARINT:
        return this.varint();
      case NEGATIVE:
        return -this.varint();
      case CENTS:
        return this.varint() / 100;
      case NEGATIVE_CENTS:
        return -this.varint() / 100;
      case FLOAT32:
        return this.f32();
      case FLOAT64:
        return this.f64();
      default:
        if (tag < NULL) return tag;
        throw new AttuneError('state.corrupt', `a stored number begins with ${tag}`);
    }
  }
}
