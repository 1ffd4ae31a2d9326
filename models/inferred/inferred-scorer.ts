/** Scores the caller's candidates by an inferred snapshot: means over φ, and standard errors from the sketch. */
import type { Scorer } from '#contracts';
import { clampRate } from '../calibrator/clamp-rate.ts';
import type { SnapshotHeader } from '../version-blob.ts';
import { SKETCH_DIMS, sketchOf } from './arm-part.ts';
import { openGeneration, type Generation } from './generation.ts';
import type { InferredHeader } from './inferred-learner.ts';

type Arrays = Readonly<Record<string, Float32Array | Float64Array | Int32Array>>;

const FACTOR = (SKETCH_DIMS * (SKETCH_DIMS + 1)) / 2;
const KNOWN_GENERATIONS = 4;

/** Generations by their content: snapshots of one generation share its kernel. */
export const createInferredOpener = (loop: string, maxHeads: number) => {
  const generations = new Map<string, Generation>();
  return (header: SnapshotHeader & InferredHeader, arrays: Arrays): Scorer => {
    const knots = arrays['knots'] as Float64Array;
    const key = JSON.stringify(header.generation) + Buffer.from(knots.buffer, knots.byteOffset, knots.byteLength).toString('latin1');
    let generation = generations.get(key);
    if (generation === undefined) {
      generation = openGeneration(header.generation, knots, maxHeads);
      generations.set(key, generation);
      if (generations.size > KNOWN_GENERATIONS) generations.delete(generations.keys().next().value!);
    }
    return createInferredScorer(loop, header, arrays, generation);
  };
};

const createInferredScorer = (loop: string, header: SnapshotHeader & InferredHeader, arrays: Arrays, generation: Generation): Scorer => {
  const { kernel, xDims, stride, spec } = generation;
  const heads = arrays['heads'] as Float32Array;
  const factors = arrays['factors'] as Float32Array;
  const places = { xDims, stride, outputs: spec.outputs };
  const rowOf = new Map(header.actions.map((id, i) => [id, i + 1]));
  const { offset, counts, spreads, link } = header;
  const u = new Float64Array(SKETCH_DIMS);
  const errorOf = (row: number): number => {
    let variance = 0;
    for (let i = 0, k = row * FACTOR; i < SKETCH_DIMS; i++) {
      let sum = 0;
      for (let j = 0; j <= i; j++) sum += factors[k++]! * u[j]!;
      variance += sum * sum;
    }
    return spreads[row]! * Math.sqrt(variance);
  };
  return {
    loop,
    version: header.version,
    snapshot: header.snapshot,
    effectiveN: header.effectiveN,
    score(request, actions, out) {
      kernel.use(heads);
      generation.features(request);
      const withErrors = out.standardErrors !== undefined;
      if (withErrors) sketchOf(kernel.phi, places, u);
      for (let from = 0; from < actions.length; from += kernel.rows.length) {
        const to = Math.min(actions.length, from + kernel.rows.length);
        for (let i = from; i < to; i++) kernel.rows[i - from] = rowOf.get(actions[i]!.id) ?? 0;
        kernel.multiply(to - from);
        for (let i = from; i < to; i++) {
          const row = kernel.rows[i - from]!;
          const score = offset + kernel.dots[i - from]!;
          out.propensities[i] = link === 'rate' ? clampRate(score) : score;
          out.effectiveN[i] = row === 0 ? 0 : counts[row - 1]!;
          if (withErrors) out.standardErrors[i] = errorOf(row);
        }
      }
      out.hasStandardErrors = withErrors;
    },
  };
};
