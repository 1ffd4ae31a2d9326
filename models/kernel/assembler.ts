/** A very small WebAssembly assembler: enough of the binary format (core specification 2.0) for one kernel of a few functions. */

export type Code = readonly number[];

export const u32 = (value: number): Code => {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const byte = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? byte : byte | 0x80);
  } while (rest !== 0);
  return bytes;
};

export const s32 = (value: number): Code => {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0)) return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
};

const vector = (items: readonly Code[]): Code => [...u32(items.length), ...items.flat()];
const section = (id: number, body: Code): Code => [id, ...u32(body.length), ...body];
const text = (value: string): Code => [...u32(value.length), ...Buffer.from(value, 'latin1')];
const simd = (opcode: number): Code => [0xfd, ...u32(opcode)];

export const I32 = 0x7f;
export const F32 = 0x7d;
export const V128 = 0x7b;

/** Instructions by their names in the text format; operands are pushed before. */
export const op = {
  get: (local: number): Code => [0x20, ...u32(local)],
  set: (local: number): Code => [0x21, ...u32(local)],
  tee: (local: number): Code => [0x22, ...u32(local)],
  i32: (value: number): Code => [0x41, ...s32(value)],
  i32Add: [0x6a] as Code,
  i32Mul: [0x6c] as Code,
  i32LessThan: [0x48] as Code,
  i32Load: [0x28, 2, 0] as Code,
  f32Load: [0x2a, 2, 0] as Code,
  f32Store: [0x38, 2, 0] as Code,
  f32Const: (value: number): Code => [0x43, ...float(value)],
  f32Equal: [0x5b] as Code,
  f32Add: [0x92] as Code,
  load: [...simd(0), 2, 0] as Code,
  store: [...simd(11), 2, 0] as Code,
  constant: (value: number): Code => [...simd(12), ...float(value), ...float(value), ...float(value), ...float(value)],
  intConstant: (value: number): Code => {
    const bytes = [...new Uint8Array(Int32Array.of(value).buffer)];
    return [...simd(12), ...bytes, ...bytes, ...bytes, ...bytes];
  },
  splat: simd(19),
  lane: (i: number): Code => [...simd(31), i],
  nearest: simd(106),
  shiftLeft: simd(171),
  intAdd: simd(174),
  abs: simd(224),
  add: simd(228),
  sub: simd(229),
  mul: simd(230),
  div: simd(231),
  min: simd(232),
  max: simd(233),
  toInt: simd(248),
  end: [0x0b] as Code,
} as const;

const float = (value: number): Code => [...new Uint8Array(Float32Array.of(value).buffer)];

/** do { body } while (condition): the body runs at least once. `condition` leaves an i32. */
export const repeat = (body: Code, condition: Code): Code => [0x03, 0x40, ...body, ...condition, 0x0d, 0, 0x0b];

/** Runs `body` unless the i32 on the stack is 0. */
export const when = (body: Code): Code => [0x04, 0x40, ...body, 0x0b];

export interface FunctionSource {
  readonly name: string;
  readonly parameters: readonly number[];
  readonly locals: readonly number[];
  readonly body: Code;
}

/** A module that exports its functions and its memory. */
export const assemble = (functions: readonly FunctionSource[], pages: number): Uint8Array<ArrayBuffer> => {
  const types = functions.map(({ parameters }): Code => [0x60, ...vector(parameters.map((type) => [type])), 0]);
  const exports = [[...text('memory'), 2, 0], ...functions.map(({ name }, i): Code => [...text(name), 0, ...u32(i)])];
  const bodies = functions.map(({ locals, body }) => {
    const code = [...vector(locals.map((type) => [1, type])), ...body, 0x0b];
    return [...u32(code.length), ...code];
  });
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(3, vector(functions.map((_, i) => u32(i)))),
    ...section(5, vector([[0, ...u32(pages)]])),
    ...section(7, vector(exports)),
    ...section(10, vector(bodies)),
  ]);
};
