/** The serving kernel in WebAssembly SIMD: x W + b, activations, and dots(φ, rows); see docs/decisions/0006-wasm-kernel-serves.md. */
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

/** affine(x, xEnd, w, b, out, rowBytes): out[r] = b[r] + Σ x[c] w[c][r]; columns of x = 0 are skipped. */
const affine = (): FunctionSource => {
  const [x, xEnd, w, b, out, rowBytes, at, end, from, splat] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] as const;
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
  return {
    name: 'affine',
    parameters: [I32, I32, I32, I32, I32, I32],
    locals: [I32, I32, I32, V128],
    body: [
      ...[...op.get(out), ...op.tee(at), ...op.get(rowBytes), ...op.i32Add, ...op.set(end)],
      ...[...op.get(b), ...op.set(from)],
      ...repeat(copy, below(at, end)),
      ...repeat(
        [...notZero, ...when(column), ...op.get(w), ...op.get(rowBytes), ...op.i32Add, ...op.set(w), ...step(x, 4)],
        below(x, xEnd),
      ),
    ],
  };
};

/** name(at, end, scale): replaces each four values v by what `body` makes of local `t`; scratch in `u`. Only waves have a scale. */
const elementwise = (name: string, body: (t: number, u: number, scale: number) => Code): FunctionSource => {
  const [at, end, scale, t, u] = [0, 1, 2, 3, 4] as const;
  const next = [...op.get(at), ...op.load, ...op.set(t), ...op.get(at), ...body(t, u, scale), ...op.store, ...step(at, 16)];
  return { name, parameters: [I32, I32, F32], locals: [V128, V128], body: repeat(next, below(at, end)) };
};

/** 1/k! of e^g for |g| ≤ ½ ln 2, to g⁶: relative error under 2e-7. */
const EXPONENTIAL = [1, 1, 2, 3, 4, 5, 6].map((_, k) => 1 / factorial(k));

/** v128 on the stack → e^v; e^v = 2^n e^g with n the nearest whole number to v / ln 2. Scratch locals `g`, `n`. */
const exponential = (g: number, n: number): Code => [
  ...[...op.constant(-87), ...op.max, ...op.constant(88), ...op.min],
  ...[...op.constant(Math.LOG2E), ...op.mul, ...op.tee(g), ...op.nearest, ...op.set(n)],
  ...[...op.get(g), ...op.get(n), ...op.sub, ...op.constant(Math.LN2), ...op.mul, ...op.set(g)],
  ...op.constant(EXPONENTIAL[6]!),
  ...[5, 4, 3, 2, 1, 0].flatMap((k) => [...op.get(g), ...op.mul, ...op.constant(EXPONENTIAL[k]!), ...op.add]),
  ...[...op.get(n), ...op.toInt, ...op.intConstant(127), ...op.intAdd, ...op.i32(23), ...op.shiftLeft, ...op.mul],
];

/** tanh v = 1 − 2 / (e^2v + 1). */
const hyperbolicTangent = (t: number, u: number): Code => [
  ...op.constant(1),
  ...op.constant(2),
  ...[...op.get(t), ...op.get(t), ...op.add, ...exponential(t, u)],
  ...[...op.constant(1), ...op.add, ...op.div, ...op.sub],
];

/** λ v where v > 0, else λ α (e^v − 1): ELU (Clevert et al. 2016) with λ = α = 1, SELU (Klambauer et al. 2017) with theirs. */
const exponentialLinear =
  ({ alpha, lambda }: { readonly alpha: number; readonly lambda: number }) =>
  (t: number, u: number): Code => [
    ...[...op.get(t), ...op.constant(0), ...op.max, ...op.constant(lambda), ...op.mul],
    ...[...op.get(t), ...op.constant(0), ...op.min, ...exponential(t, u)],
    ...[...op.constant(1), ...op.sub, ...op.constant(alpha * lambda), ...op.mul, ...op.add],
  ];

export const SELU = { alpha: 1.6732632423543772, lambda: 1.0507009873554805 } as const;

const activations = (): readonly FunctionSource[] => [
  elementwise('fourier', (t, u, scale) => [...cosine(t, u), ...op.get(scale), ...op.splat, ...op.mul]),
  elementwise('relu', (t) => [...op.get(t), ...op.constant(0), ...op.max]),
  elementwise('tanh', hyperbolicTangent),
  elementwise('elu', exponentialLinear({ alpha: 1, lambda: 1 })),
  elementwise('selu', exponentialLinear(SELU)),
];

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

export const kernelBytes = (pages: number): Uint8Array<ArrayBuffer> => assemble([affine(), ...activations(), dots()], pages);
