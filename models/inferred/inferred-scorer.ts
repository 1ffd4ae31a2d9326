/** Scores the caller's candidates by an inferred snapshot: means over φ, and standard errors from draws of their posteriors. */
import type { Scorer } from '#contracts';
import type { Artifact } from '../artifact.ts';
import { clampRate } from '../calibrator/clamp-rate.ts';
import type { SnapshotHeader } from '../version-blob.ts';
import { openGeneration, type Generation } from './generation.ts';
import type { InferredHeader } from './inferred-learner.ts';
import { interleaveDraws } from './pack-draws.ts';

type Arrays = Artifact<unknown>['arrays'];

const KNOWN_GENERATIONS = 4;

/** Generations by their content: snapshots of one generation share its kernel. */
export const createInferredOpener = (loop: string) => {
  const generations = new Map<string, Generation>();
  return (header: SnapshotHeader & InferredHeader, arrays: Arrays): Scorer => {
    const knots = arrays['knots'] as Float64Array;
    // Room for more than are there, so that a candidate more is not a kernel more.
    const room = 2 ** Math.ceil(Math.log2((header.actions.length + 1) * (1 + drawsOf(header))));
    const key = `${room} ${JSON.stringify(header.generation)}${Buffer.from(knots.buffer, knots.byteOffset, knots.byteLength).toString('latin1')}`;
    let generation = generations.get(key);
    if (generation === undefined) {
      generation = openGeneration(header.generation, knots, room);
      generations.set(key, generation);
      if (generations.size > KNOWN_GENERATIONS) generations.delete(generations.keys().next().value!);
    }
    return createInferredScorer(loop, header, arrays, generation);
  };
};

/** A snapshot of before has none. */
const drawsOf = ({ draws }: { readonly draws?: number }): number => draws ?? 0;

const createInferredScorer = (loop: string, header: SnapshotHeader & InferredHeader, arrays: Arrays, generation: Generation): Scorer => {
  const { kernel, stride } = generation;
  const draws = drawsOf(header);
  const packed = { draws: arrays['draws'] as Int16Array, drawScales: arrays['drawScales'] as Float32Array };
  const heads = draws === 0 ? (arrays['heads'] as Float32Array) : interleaveDraws(arrays['heads'] as Float32Array, packed, stride, draws);
  const rowOf = new Map(header.actions.map((id, i) => [id, i + 1]));
  const { offset, counts, spreads, link } = header;
  const errorOf = (at: number): number => {
    let squares = 0;
    for (let draw = 1; draw <= draws; draw++) squares += kernel.dots[at + draw]! ** 2;
    return Math.sqrt(squares / draws);
  };
  return {
    loop,
    version: header.version,
    snapshot: header.snapshot,
    effectiveN: header.effectiveN,
    score(request, actions, out) {
      kernel.use(heads);
      generation.features(request);
      const withErrors = draws > 0 && out.standardErrors !== undefined;
      const width = withErrors ? 1 + draws : 1;
      const atOnce = Math.floor(kernel.rows.length / width);
      for (let from = 0; from < actions.length; from += atOnce) {
        const to = Math.min(actions.length, from + atOnce);
        for (let i = from; i < to; i++) {
          const head = (rowOf.get(actions[i]!.id) ?? 0) * (1 + draws);
          for (let k = 0; k < width; k++) kernel.rows[(i - from) * width + k] = head + k;
        }
        kernel.multiply((to - from) * width);
        for (let i = from; i < to; i++) {
          const at = (i - from) * width;
          const row = kernel.rows[at]! / (1 + draws);
          const score = offset + kernel.dots[at]!;
          out.propensities[i] = link === 'rate' ? clampRate(score) : score;
          out.effectiveN[i] = row === 0 ? 0 : counts[row - 1]!;
          if (withErrors) out.standardErrors[i] = spreads[row]! * errorOf(at);
        }
      }
      out.hasStandardErrors = withErrors;
    },
  };
};
