/** All that an InferredLearner holds, as a checkpoint's bytes and back, bit for bit. */
import type { Experience } from '#contracts';
import { packArtifact, unpackArtifact } from '../artifact.ts';
import { requireFormat } from '../checkpoint-format.ts';
import { ArmPart } from './arm-part.ts';
import type { GenerationSpec } from './generation.ts';
import type { InferredTuning, Turn } from './inferred-learner.ts';
import { experienceOf, keptOf, type KeptRow } from './kept-row.ts';

export interface InferredState {
  readonly seed: number;
  readonly tuning: InferredTuning;
  readonly experiences: number;
  readonly originMs: number;
  readonly newestMs: number;
  readonly turns: readonly Turn[];
  /** Σ g and Σ g y over all rows. */
  readonly weight: number;
  readonly sum: number;
  /** Of targets; ∞ and −∞ before the first. */
  readonly low: number;
  readonly high: number;
  readonly ridge: number;
  readonly nextOthers: number;
  readonly losses: Float64Array;
  /** Null: no features were found yet, and there are neither knots nor arms. */
  readonly generation: GenerationSpec | null;
  readonly knots: Float64Array;
  readonly arms: ReadonlyMap<string, ArmPart>;
  readonly rows: readonly { experience: Experience; target: number }[];
}

/** 1: without draws of the posterior, or with draws whose age and staleness were not kept. */
const FORMAT = 2;
const READABLE = [1, FORMAT];

interface Header {
  readonly format: number;
  readonly seed: number;
  readonly tuning: InferredTuning;
  readonly experiences: number;
  readonly originMs: number;
  readonly newestMs: number;
  /** Absent before worlds turned. */
  readonly turns?: readonly Turn[];
  readonly weight: number;
  readonly sum: number;
  readonly low: number;
  readonly high: number;
  readonly ridge: number;
  readonly nextOthers: number;
  readonly generation: GenerationSpec | null;
  readonly arms: readonly {
    readonly id: string;
    readonly weight: number;
    readonly squares: number;
    /** These four may be absent in format 1. */
    readonly rows?: number;
    readonly nextDraws?: number;
    readonly drawnAt?: number;
    readonly stale?: boolean;
  }[];
  readonly rows: readonly KeptRow[];
}

export const packInferred = (state: InferredState): Uint8Array => {
  const { losses, knots, arms: armsById, rows, ...scalars } = state;
  const arms = [...armsById];
  const header: Header = {
    format: FORMAT,
    ...scalars,
    // JSON knows no infinity.
    low: Number.isFinite(state.low) ? state.low : 0,
    high: Number.isFinite(state.high) ? state.high : 0,
    arms: arms.map(([id, arm]) => ({
      id,
      weight: arm.weight,
      squares: arm.squares,
      rows: arm.rows,
      nextDraws: arm.nextDraws,
      drawnAt: arm.drawnAt,
      stale: arm.stale,
    })),
    rows: rows.map(({ experience, target }) => keptOf(experience, target)),
  };
  const arrays: Record<string, Float32Array | Float64Array> = { knots, losses };
  arms.forEach(([, arm], i) => {
    arrays[`a${i}`] = arm.a;
    arrays[`b${i}`] = arm.b;
    if (arm.draws !== null) arrays[`d${i}`] = arm.draws;
    arm.means.forEach((means, k) => (arrays[`m${i}.${k}`] = means));
  });
  return packArtifact({ header, arrays });
};

/** Throws `model.unreadable`. */
export const unpackInferred = (bytes: Uint8Array): InferredState => {
  const { header, arrays } = unpackArtifact<Header>(bytes);
  requireFormat('a loop’s learner that finds its features', header.format, READABLE);
  const array = (name: string): Float64Array => arrays[name] as Float64Array;
  const { format: _, low, high, arms, rows, ...scalars } = header;
  return {
    ...scalars,
    turns: scalars.turns ?? [],
    low: header.experiences > 0 ? low : Infinity,
    high: header.experiences > 0 ? high : -Infinity,
    losses: array('losses'),
    knots: array('knots'),
    arms: new Map(
      arms.map(({ id, weight, squares, rows: met = 1, nextDraws = 1, drawnAt = 0, stale = true }, i) => {
        const arm = new ArmPart(array(`b${i}`).length);
        arm.a.set(array(`a${i}`));
        arm.b.set(array(`b${i}`));
        arm.draws = (arrays[`d${i}`] as Float32Array<ArrayBuffer> | undefined) ?? null;
        arm.means.forEach((means, k) => means.set(array(`m${i}.${k}`)));
        return [id, Object.assign(arm, { weight, squares, rows: met, nextDraws, drawnAt, stale })];
      }),
    ),
    rows: rows.map((row) => ({ experience: experienceOf(row), target: row.target })),
  };
};
