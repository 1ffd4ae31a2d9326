/** Reads ClickHouse's RowBinary: the counterpart of RowWriter; numbers arrive bit for bit, which JSON does not promise. */

export class RowReader {
  readonly #buffer: Buffer;
  readonly #view: DataView;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }

  get done(): boolean {
    return this.#at >= this.#buffer.length;
  }

  u8(): number {
    return this.#buffer[this.#at++]!;
  }

  bool(): boolean {
    return this.u8() === 1;
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  f32(): number {
    this.#at += 4;
    return this.#view.getFloat32(this.#at - 4, true);
  }

  f64(): number {
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8, true);
  }

  f64OrNull(): number | null {
    return this.bool() ? null : this.f64();
  }

  f32OrNull(): number | null {
    return this.bool() ? null : this.f32();
  }

  /** DateTime64(3): ms since 1970 UTC. */
  dateTimeMs(): number {
    this.#at += 8;
    return this.#view.getInt32(this.#at - 4, true) * 0x1_0000_0000 + this.#view.getUint32(this.#at - 8, true);
  }

  /** The 36 characters of its text. */
  uuid(): string {
    const bytes = Buffer.allocUnsafe(16);
    for (let i = 7; i >= 0; i--) bytes[i] = this.u8();
    for (let i = 15; i >= 8; i--) bytes[i] = this.u8();
    const hex = bytes.toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  /** FixedString(length). */
  fixed(length: number): string {
    this.#at += length;
    return this.#buffer.toString('utf8', this.#at - length, this.#at);
  }

  string(): string {
    return this.fixed(this.count());
  }

  /** LEB128. */
  count(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.u8();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  array<T>(read: () => T): T[] {
    return Array.from({ length: this.count() }, read);
  }

  strings(): string[] {
    return this.array(() => this.string());
  }

  floats(): Float32Array {
    const out = new Float32Array(this.count());
    for (let i = 0; i < out.length; i++) out[i] = this.f32();
    return out;
  }

  map(): (readonly [string, string])[] {
    return this.array(() => [this.string(), this.string()] as const);
  }
}
