/** The learner of a caller's loop whose world stands still: a Bayesian ridge a candidate, over features found in the loop's own rows. */
import { AttuneError, DAY_MS, type Experience } from '#contracts';
import type { Expert } from '../expert.ts';
import { randomOf } from '../random.ts';
import { ArmPart, DRAWS, drawPrior, RIDGES } from './arm-part.ts';
import { packDraws } from './pack-draws.ts';
import { inferFields } from './fields.ts';
import { openGeneration, type Generation, type GenerationSpec } from './generation.ts';
import { packInferred, unpackInferred } from './inferred-checkpoint.ts';

/** A snapshot's header, besides what all snapshots have. */
export interface InferredHeader {
  readonly kind: 'inferred';
  readonly generation: GenerationSpec;
  readonly link: 'rate' | 'identity';
  /** Of a candidate without data. */
  readonly offset: number;
  /** √ of the reward's variance, by row of `heads`, times what the errors are scaled by. */
  readonly spreads: readonly number[];
  /** Of each posterior, in `draws` with `drawScales`; 0 where nobody asks for errors. */
  readonly draws: number;
}

export interface InferredTuning {
  readonly outputs: number;
  readonly bandwidth: number;
  readonly halfLifeDays: number;
  /** Standard errors are this much of the posterior's, for rates and for other rewards: less explores less. */
  readonly errorScale: Readonly<Record<'rate' | 'identity', number>>;
}

export const INFERRED_TUNING: InferredTuning = {
  outputs: 512,
  bandwidth: 1.4,
  halfLifeDays: 60,
  errorScale: { rate: 0.12, identity: 0.3 },
};

/** Rows at which fields and features are found anew, and all that was learned is learned again over them. */
const GENERATIONS = [32, 128, 512, 2048];
const LAST = GENERATIONS.at(-1)!;
const ITERATIONS = 8;
/** After a generation has begun. */
const SETTLING_ITERATIONS = 60;
/** More candidates than this live on the mean: their statistics would take too much memory (two megabytes each, eight with 512 inputs). */
export const MAX_ARMS = 64;
/** Candidates whose posterior is drawn from anew in one publication at REDRAWS_DIMS dimensions, some 30 ms each; the rest wait for the next ones. */
const REDRAWS = 8;
const REDRAWS_DIMS = 520;
/** Of a prior's strength: with less, rounding would leave no factor. */
const LEAST_RATIO = 1e-6;
/** A snapshot is a record of the log, and Kafka takes a million bytes: with many candidates it carries fewer draws of each. */
const DRAWS_BYTES = 512 * 1024;
const RESCALE_AT = 1e9;
/** Older ones concern nobody any more. */
const MAX_TURNS = 16;
/** Progressive losses of the ridges forget by this factor a row. */
const LOSS_MEMORY = 0.9995;
/** Ridges that do not predict are solved each time the rows have grown by this. */
const OTHERS_EVERY = 1.3;

export class InferredLearner implements Expert {
  experiences = 0;
  lastError = 0;
  readonly #seed: number;
  readonly #tuning: InferredTuning;
  #generation: Generation | null = null;
  #phi = new Float64Array(0);
  /** Room for a triangle. */
  #factor = new Float64Array(0);
  #priorDraws = new Float32Array(0);
  #arms = new Map<string, ArmPart>();
  /** Rows until the last generation, by decision and rank. */
  #rows = new Map<string, { experience: Experience; target: number }>();
  readonly #losses = new Float64Array(RIDGES.length);
  #ridge = 1;
  #nextOthers = 0;
  /** Σ g and Σ g y over all rows. */
  #weight = 0;
  #sum = 0;
  #low = Infinity;
  #high = -Infinity;
  #originMs = 0;
  #newestMs = 0;
  /** When the world turned, oldest first: what was decided before each weighs less by its factor. */
  #turns: Turn[] = [];

  constructor(seed: number, tuning: InferredTuning) {
    this.#seed = seed;
    this.#tuning = tuning;
  }

  get ready(): boolean {
    return this.#generation !== null;
  }

  get effectiveN(): number {
    return this.#weight / this.#today;
  }

  /** Candidates met. */
  get candidates(): number {
    return this.#arms.size;
  }

  learnShown(experience: Experience, target: number): void {
    if (this.#originMs === 0) this.#originMs = this.#newestMs = experience.decidedAtMs;
    this.#newestMs = Math.max(this.#newestMs, experience.decidedAtMs);
    if (this.experiences < LAST) this.#rows.set(keyOf(experience), { experience, target });
    this.experiences++;
    this.#learn(experience, target);
    if (this.#today > RESCALE_AT) this.#rescale();
    if (GENERATIONS.includes(this.experiences)) this.#regenerate();
  }

  correct(experience: Experience, oldTarget: number, newTarget: number | null): void {
    const expected = this.#expected(experience);
    const target = newTarget ?? expected;
    const row = this.#rows.get(keyOf(experience));
    if (row !== undefined) row.target = target;
    const change = this.#growth(experience.decidedAtMs) * (target - oldTarget);
    this.#bound(target);
    this.#sum += change;
    this.lastError = target - expected;
    this.#arms.get(experience.action.id)?.correct(this.#phi, change);
  }

  /** The world has turned: all that was decided until now weighs no more than so many rows together, and what it says is tried again. */
  forget(rows: number): void {
    const { effectiveN } = this;
    if (!(effectiveN > rows)) return;
    this.#turns.push({ atMs: this.#newestMs + 1, factor: rows / effectiveN });
    if (this.#turns.length > MAX_TURNS) this.#turns.shift();
    this.#newestMs++;
    for (const arm of this.#arms.values()) arm.stale = true;
    this.#nextOthers = 0;
    if (this.#today > RESCALE_AT) this.#rescale();
  }

  /** Solves for the means. */
  refresh(): void {
    this.#solve();
  }

  /** @param withErrors with draws, from which a scorer has its standard errors */
  snapshot(withErrors: boolean): {
    header: InferredHeader & { actions: readonly string[]; counts: readonly number[] };
    arrays: Record<string, Float32Array | Float64Array | Int16Array>;
  } {
    const generation = this.#generation!;
    this.#solve();
    const today = this.#today;
    const { stride } = generation;
    const rows = this.#arms.size + 1;
    const heads = new Float32Array(stride * rows);
    const spreads = [this.#spreadOf(undefined)];
    for (const arm of this.#arms.values()) {
      heads.set(arm.means[this.#ridge]!, stride * spreads.length);
      spreads.push(this.#spreadOf(arm));
    }
    const draws = withErrors ? Math.max(1, Math.min(DRAWS, Math.floor(DRAWS_BYTES / (2 * stride * rows)))) : 0;
    if (withErrors) this.#redraw(spreads);
    const packed = packDraws([this.#priorDraws, ...[...this.#arms.values()].map((arm) => arm.draws ?? this.#priorDraws)], stride, draws);
    return {
      header: {
        kind: 'inferred',
        generation: generation.spec,
        link: this.#isRate ? 'rate' : 'identity',
        offset: this.#mean,
        spreads,
        draws,
        actions: [...this.#arms.keys()],
        counts: [...this.#arms.values()].map(({ weight }) => weight / today),
      },
      arrays: { heads, knots: generation.knots, ...packed },
    };
  }

  /** The most overdue first. */
  #redraw(spreads: readonly number[]): void {
    const today = this.#today;
    const widest = spreads[0]!;
    const overdue = [...this.#arms.values()]
      .map((arm, i) => ({ arm, row: i + 1, age: arm.ageOfDraws(today) }))
      .filter(({ age }) => age >= 1)
      .toSorted((a, b) => (a.age === b.age ? a.row - b.row : b.age - a.age));
    const { stride } = this.#generation!;
    for (const { arm, row } of overdue.slice(0, Math.max(1, Math.round(REDRAWS * (REDRAWS_DIMS / stride) ** 3)))) {
      const ratio = Math.max(LEAST_RATIO, widest > 0 ? (spreads[row]! / widest) ** 2 : 1);
      arm.redraw(today, ratio, this.#places, randomOf(this.#seed, row, arm.rows), this.#factor);
    }
  }

  checkpoint(): Uint8Array {
    for (const arm of this.#arms.values()) arm.flush();
    return packInferred({
      seed: this.#seed,
      tuning: this.#tuning,
      experiences: this.experiences,
      originMs: this.#originMs,
      newestMs: this.#newestMs,
      turns: this.#turns,
      weight: this.#weight,
      sum: this.#sum,
      low: this.#low,
      high: this.#high,
      ridge: this.#ridge,
      nextOthers: this.#nextOthers,
      losses: this.#losses,
      generation: this.#generation?.spec ?? null,
      knots: this.#generation?.knots ?? new Float64Array(0),
      arms: this.#arms,
      rows: [...this.#rows.values()],
    });
  }

  /** Throws `model.unreadable`. */
  static restore(bytes: Uint8Array): InferredLearner {
    const state = unpackInferred(bytes);
    const learner = new InferredLearner(state.seed, state.tuning);
    learner.experiences = state.experiences;
    learner.#originMs = state.originMs;
    learner.#newestMs = state.newestMs;
    learner.#turns = [...state.turns];
    learner.#weight = state.weight;
    learner.#sum = state.sum;
    learner.#low = state.low;
    learner.#high = state.high;
    learner.#ridge = state.ridge;
    learner.#nextOthers = state.nextOthers;
    learner.#losses.set(state.losses);
    learner.#rows = new Map(state.rows.map((row) => [keyOf(row.experience), row]));
    if (state.generation !== null) learner.#open(state.generation, state.knots);
    learner.#arms = new Map(state.arms);
    return learner;
  }

  #learn(experience: Experience, target: number): void {
    this.#bound(target);
    const g = this.#growth(experience.decidedAtMs);
    const expected = this.#expected(experience);
    this.lastError = target - expected;
    if (this.#generation !== null) {
      const arm = this.#armOf(experience.action.id);
      if (arm !== undefined) {
        const error = target - this.#mean;
        for (let k = 0; k < RIDGES.length; k++)
          this.#losses[k] = LOSS_MEMORY * this.#losses[k]! + (error - dot(arm.means[k]!, this.#phi)) ** 2;
        arm.squares += g * this.lastError * this.lastError;
        arm.learn(this.#phi, g, target);
      }
    }
    this.#weight += g;
    this.#sum += g * target;
  }

  /** Leaves φ in #phi. */
  #expected({ request, action }: Experience): number {
    if (this.#generation === null) return this.#mean;
    this.#generation.features(request);
    this.#phi.set(this.#generation.kernel.phi);
    const arm = this.#arms.get(action.id);
    return this.#mean + (arm === undefined ? 0 : dot(arm.means[this.#ridge]!, this.#phi));
  }

  #regenerate(): void {
    const rows = [...this.#rows.values()];
    const { fields, knots } = inferFields(rows.map(({ experience }) => experience.request));
    const { outputs, bandwidth } = this.#tuning;
    this.#open({ fields, outputs, bandwidth, seed: this.#seed + this.experiences }, knots);
    this.#arms = new Map();
    this.#weight = this.#sum = 0;
    this.#losses.fill(0);
    this.#nextOthers = 0;
    let next = 8;
    rows.forEach(({ experience, target }, i) => {
      this.#learn(experience, target);
      if (i + 1 < next) return;
      next *= 2;
      this.#nextOthers = 0;
      this.#solve();
    });
    this.#nextOthers = 0;
    this.#solve(SETTLING_ITERATIONS);
    if (this.experiences >= LAST) this.#rows = new Map();
  }

  #open(spec: GenerationSpec, knots: Float64Array): void {
    this.#generation = openGeneration(spec, knots, 1);
    const { stride } = this.#generation;
    this.#phi = new Float64Array(stride);
    this.#factor = new Float64Array((stride * (stride + 1)) / 2);
    this.#priorDraws = drawPrior(stride, this.#places, randomOf(spec.seed));
  }

  #solve(iterations = ITERATIONS): void {
    this.#ridge = argMin(this.#losses);
    const others = this.experiences >= this.#nextOthers;
    if (others) this.#nextOthers = this.experiences * OTHERS_EVERY;
    for (const arm of this.#arms.values()) {
      if (!arm.stale && !others) continue;
      for (let k = 0; k < RIDGES.length; k++)
        if (others || k === this.#ridge) arm.solve(k, this.#mean, this.#today, this.#places, iterations);
      arm.stale = false;
    }
  }

  get #places() {
    const { xDims, stride, spec } = this.#generation!;
    return { xDims, stride, outputs: spec.outputs };
  }

  #armOf(id: string): ArmPart | undefined {
    let arm = this.#arms.get(id);
    if (arm === undefined && this.#arms.size < MAX_ARMS) this.#arms.set(id, (arm = new ArmPart(this.#generation!.stride)));
    return arm;
  }

  /** √ of a reward's variance given what is known, with one row of the widest spread as prior; times errorScale. */
  #spreadOf(arm: ArmPart | undefined): number {
    const today = this.#today;
    const range = this.#isRate ? 1 : Math.max(0, this.#high - this.#low);
    return (
      this.#tuning.errorScale[this.#isRate ? 'rate' : 'identity'] *
      Math.sqrt(((arm?.squares ?? 0) / today + 0.25 * range * range) / ((arm?.weight ?? 0) / today + 1))
    );
  }

  #bound(target: number): void {
    if (!Number.isFinite(target)) throw new AttuneError('learning.target', `a target must be a finite number, not ${target}`);
    this.#low = Math.min(this.#low, target);
    this.#high = Math.max(this.#high, target);
  }

  get #isRate(): boolean {
    return this.#low >= 0 && this.#high <= 1;
  }

  get #mean(): number {
    return this.#weight > 0 ? this.#sum / this.#weight : 0;
  }

  get #today(): number {
    return this.#growth(this.#newestMs);
  }

  #growth(atMs: number): number {
    let growth = Math.pow(2, (atMs - this.#originMs) / (this.#tuning.halfLifeDays * DAY_MS));
    for (const turn of this.#turns) {
      if (turn.atMs > this.#originMs && turn.atMs <= atMs) growth /= turn.factor;
      else if (turn.atMs <= this.#originMs && turn.atMs > atMs) growth *= turn.factor;
    }
    return growth;
  }

  #rescale(): void {
    const factor = 1 / this.#today;
    for (const arm of this.#arms.values()) arm.scale(factor);
    this.#weight *= factor;
    this.#sum *= factor;
    this.#originMs = this.#newestMs;
  }
}

export interface Turn {
  /** ms since 1970 UTC */
  readonly atMs: number;
  /** In (0, 1). */
  readonly factor: number;
}

const keyOf = ({ decisionId, rank }: Experience): string => `${decisionId}/${rank}`;

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

const argMin = (values: Float64Array): number => {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! < values[best]!) best = i;
  return best;
};
