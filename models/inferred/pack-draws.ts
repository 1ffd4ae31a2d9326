/** Draws of weights in 16 bits: a snapshot has DRAWS rows a candidate, and what they say is known to one part in eight anyway. */

const LARGEST = 32_767;

export interface PackedDraws {
  readonly draws: Int16Array;
  /** What 1 of a row's numbers is. */
  readonly drawScales: Float32Array;
}

/** @param parts a candidate's rows, one after another; the first `count` of each are kept @param stride a row's length */
export const packDraws = (parts: readonly Float32Array[], stride: number, count: number): PackedDraws => {
  const draws = new Int16Array(parts.length * count * stride);
  const drawScales = new Float32Array(parts.length * count);
  parts.forEach((part, i) => {
    for (let k = 0; k < count; k++) {
      const row = part.subarray(k * stride, (k + 1) * stride);
      const scale = Math.fround(row.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / LARGEST);
      const at = i * count + k;
      drawScales[at] = scale;
      if (scale > 0) for (let j = 0; j < stride; j++) draws[at * stride + j] = Math.round(row[j]! / scale);
    }
  });
  return { draws, drawScales };
};

/** The heads as a kernel takes them: for each candidate its mean, then its draws. */
export const interleaveDraws = (heads: Float32Array, { draws, drawScales }: PackedDraws, stride: number, count: number): Float32Array => {
  const rows = heads.length / stride;
  const out = new Float32Array(rows * (1 + count) * stride);
  for (let row = 0; row < rows; row++) {
    const at = row * (1 + count) * stride;
    out.set(heads.subarray(row * stride, (row + 1) * stride), at);
    for (let k = 0, from = row * count * stride, to = at + stride; k < count; k++) {
      const scale = drawScales[row * count + k]!;
      for (let j = 0; j < stride; j++) out[to++] = draws[from++]! * scale;
    }
  }
  return out;
};
