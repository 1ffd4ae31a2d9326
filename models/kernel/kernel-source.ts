/** The serving kernel in WebAssembly SIMD: features(x) and dots(φ, rows); see docs/decisions/0006-wasm-kernel-serves.md. */
import { assemble, F32, I32, op, repeat, V128, when, type Code, type FunctionSource } from './assembler.ts';

/**
 * cos(2πt) = sin(2π(¼ − |t − round t|)), and sin(2πv) for |v| ≤ ¼ by Taylor to v¹¹: error under 6e-8 before rounding. A polynomial gives
 * the same bits on every engine; Math.cos does not.
 */
const SINE = [1, 3, 5, 7, 9, 11].map((n) => (n % 4 === 1 ? 1 : -1) * ((2 * Math.PI) ** n / factorial(n)));

function factorial(n: number): number {
  return n <= 1 ? 1 : n * factorial(n - 1);
}

/** v128 (turns) in local `t`, scratch local `v` → v128 cos on the stack. */
const cosine = (t: number, v: number): Code => [
  ...op.constant(0.25),
  ...[...op.get(t), ...op.get(t), ...op.nearest, ...op.sub, ...op.abs],
  ...[...op.sub, ...op.tee(t)],
  ...[...op.get(t), ...op.mul, ...op.set(v)],
  ...op.constant(SINE[5]!),
  ...[4, 3, 2, 1, 0].flatMap((i) => [...op.get(v), ...op.mul, ...op.constant(SINE[i]!), ...op.add]),
  ...[...op.get(t), ...op.mul],
];

const add = (local: number, bytes: number): Code => [...op.get(local), ...op.i32(bytes), ...op.i32Add];
const step = (local: number, bytes: number): Code => [...add(local, bytes), ...op.set(local)];
const below = (local: number, end: number): Code => [...op.get(local), ...op.get(end), ...op.i32LessThan];

/** features(x, xEnd, w, b, out, rowBytes, scale): out[r] = scale · cos(2π(b[r] + Σ x[c] w[c][r])); columns of x = 0 are skipped. */
const features = (): FunctionSource => {
  const [x, xEnd, w, b, out, rowBytes, scale, at, end, from, splat, t, v] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] as const;
  const copy = [...op.get(at), ...op.get(from), ...op.load, ...op.store, ...step(from, 16), ...step(at, 16)];
  const axpy = (offset: number): Code => [
    ...add(at, offset),
    ...add(at, offset),
    ...op.load,
    ...add(from, offset),
    ...op.load,
    ...op.get(splat),
    ...op.mul,
    ...op.add,
    ...op.store,
  ];
  const column = [
    ...[...op.get(x), ...op.f32Load, ...op.splat, ...op.set(splat)],
    ...[...op.get(out), ...op.set(at), ...op.get(w), ...op.set(from)],
    ...repeat([...axpy(0), ...axpy(16), ...step(from, 32), ...step(at, 32)], below(at, end)),
  ];
  const notZero = [...op.get(x), ...op.f32Load, ...op.f32Const(0), ...op.f32Equal, 0x45];
  const wave = [
    ...[...op.get(at), ...op.load, ...op.set(t)],
    ...[...op.get(at), ...cosine(t, v), ...op.get(scale), ...op.splat, ...op.mul, ...op.store],
    ...step(at, 16),
  ];
  return {
    name: 'features',
    parameters: [I32, I32, I32, I32, I32, I32, F32],
    locals: [I32, I32, I32, V128, V128, V128],
    body: [
      ...[...op.get(out), ...op.tee(at), ...op.get(rowBytes), ...op.i32Add, ...op.set(end)],
      ...[...op.get(b), ...op.set(from)],
      ...repeat(copy, below(at, end)),
      ...repeat(
        [...notZero, ...when(column), ...op.get(w), ...op.get(rowBytes), ...op.i32Add, ...op.set(w), ...step(x, 4)],
        below(x, xEnd),
      ),
      ...[...op.get(out), ...op.set(at)],
      ...repeat(wave, below(at, end)),
    ],
  };
};

/** dots(phi, rowBytes, rows, heads, out, outEnd): out[i] = φ · heads[rows[i]]; rows are i32. */
const dots = (): FunctionSource => {
  const [phi, rowBytes, rows, heads, out, outEnd, at, end, row, sum, other] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10] as const;
  const madd = (into: number, offset: number): Code => [
    ...op.get(into),
    ...[...add(at, offset), ...op.load, ...add(row, offset), ...op.load, ...op.mul, ...op.add, ...op.set(into)],
  ];
  return {
    name: 'dots',
    parameters: [I32, I32, I32, I32, I32, I32],
    locals: [I32, I32, I32, V128, V128],
    body: [
      ...[...op.get(phi), ...op.get(rowBytes), ...op.i32Add, ...op.set(end)],
      ...repeat(
        [
          ...[...op.get(rows), ...op.i32Load, ...op.get(rowBytes), ...op.i32Mul, ...op.get(heads), ...op.i32Add, ...op.set(row)],
          ...[...op.get(phi), ...op.set(at), ...op.constant(0), ...op.set(sum), ...op.constant(0), ...op.set(other)],
          ...repeat([...madd(sum, 0), ...madd(other, 16), ...step(at, 32), ...step(row, 32)], below(at, end)),
          ...[...op.get(out), ...op.get(sum), ...op.get(other), ...op.add, ...op.tee(sum), ...op.lane(0)],
          ...[1, 2, 3].flatMap((i) => [...op.get(sum), ...op.lane(i), ...op.f32Add]),
          ...op.f32Store,
          ...[...step(rows, 4), ...step(out, 4)],
        ],
        below(out, outEnd),
      ),
    ],
  };
};

export const kernelBytes = (pages: number): Uint8Array<ArrayBuffer> => assemble([features(), dots()], pages);
