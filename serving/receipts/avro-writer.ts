/** Writes Avro's binary encoding into a buffer that is used again and again (Apache Avro specification, "Binary Encoding"). */

const TWO_POW_32 = 4_294_967_296;

export class AvroWriter {
  #bytes = Buffer.allocUnsafeSlow(65_536);
  #view = viewOf(this.#bytes);
  #at = 0;

  reset(): void {
    this.#at = 0;
  }

  /** A copy of what was written since the reset. */
  take(): Buffer {
    const out = Buffer.allocUnsafe(this.#at);
    this.#bytes.copy(out, 0, 0, this.#at);
    return out;
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }

  /** Zigzag varint; integers below 2^53. */
  long(value: number): void {
    this.#room(10);
    const bytes = this.#bytes;
    if (value >= -0x4000_0000 && value < 0x4000_0000) {
      let n = (value << 1) ^ (value >> 31);
      while (n & ~0x7f) {
        bytes[this.#at++] = (n & 0x7f) | 0x80;
        n >>>= 7;
      }
      bytes[this.#at++] = n;
      return;
    }
    // Zigzag beyond 32 bits in two halves: low 32 bits exact, the rest by division.
    const magnitude = value < 0 ? -value - 1 : value;
    let low = ((magnitude % TWO_POW_32) * 2) % TWO_POW_32;
    let high = Math.floor(magnitude / (TWO_POW_32 / 2));
    if (value < 0) low += 1;
    while (high > 0 || low >= 0x80) {
      bytes[this.#at++] = (low & 0x7f) | 0x80;
      low = (low >>> 7) + (high % 128) * 0x200_0000;
      high = Math.floor(high / 128);
    }
    bytes[this.#at++] = low;
  }

  text(value: string): void {
    const { length } = value;
    this.#room(length * 3 + 10);
    if (length < 64) {
      // Short and nearly always ASCII: cheaper than a call out of JavaScript.
      const start = this.#at;
      const bytes = this.#bytes;
      bytes[start] = length << 1;
      let i = 0;
      for (; i < length; i++) {
        const code = value.charCodeAt(i);
        if (code > 0x7f) break;
        bytes[start + 1 + i] = code;
      }
      if (i === length) {
        this.#at = start + 1 + length;
        return;
      }
    }
    this.long(Buffer.byteLength(value, 'utf8'));
    this.#at += this.#bytes.write(value, this.#at, 'utf8');
  }

  bytes(value: Uint8Array): void {
    this.long(value.length);
    this.raw(value);
  }

  flag(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  float(value: number): void {
    this.#room(4);
    this.#view.setFloat32(this.#at, value, true);
    this.#at += 4;
  }

  double(value: number): void {
    this.#room(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  /** A union of null and text. */
  optionalText(value: string | null): void {
    if (value === null) this.byte(0);
    else {
      this.byte(2);
      this.text(value);
    }
  }

  longs(values: readonly number[]): void {
    if (values.length > 0) {
      this.long(values.length);
      for (let i = 0; i < values.length; i++) this.long(values[i]!);
    }
    this.byte(0);
  }

  floats(values: readonly number[]): void {
    if (values.length > 0) {
      this.long(values.length);
      this.#room(values.length * 4);
      let at = this.#at;
      for (let i = 0; i < values.length; i++, at += 4) this.#view.setFloat32(at, values[i]!, true);
      this.#at = at;
    }
    this.byte(0);
  }

  doubles(values: readonly number[]): void {
    if (values.length > 0) {
      this.long(values.length);
      this.#room(values.length * 8);
      let at = this.#at;
      for (let i = 0; i < values.length; i++, at += 8) this.#view.setFloat64(at, values[i]!, true);
      this.#at = at;
    }
    this.byte(0);
  }

  #room(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + more));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}

const viewOf = (bytes: Buffer): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
