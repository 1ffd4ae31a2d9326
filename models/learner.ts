/** The learner: hierarchical Bayesian regression on sufficient statistics, forgetting by half-life, corrected late, published often. */
import { AttuneError, DAY_MS, type ActionProfile, type Experience } from '#contracts';
import { packArtifact, unpackArtifact } from './artifact.ts';
import { requireFormat } from './checkpoint-format.ts';
import { logit, Platt, sigmoid } from './calibrator/platt.ts';
import { createContextCode, createEncoder, type ActionPart } from './encoder/encoder.ts';
import type { EncoderSpec } from './encoder/spec.ts';
import { ridgeOf } from './head/evidence.ts';
import { OwnPart } from './head/own-part.ts';
import { SharedPart } from './head/shared-part.ts';
import { createSparseRow, push } from './head/sparse-row.ts';
import { ResidualVariance, sketchVariances } from './head/variance.ts';
import { createKernel, strideOf } from './kernel/kernel.ts';
import { randomFourierFeatures } from './trunk/random-fourier.ts';
import { INFERRED_TUNING, InferredLearner, type InferredTuning } from './inferred/inferred-learner.ts';
import { TwoExperts, type MovingExpert } from './two-experts.ts';
import type { Learner, LearnerOptions, Publication } from './types.ts';
import { bytesOfWords, wordsOfBytes } from './words.ts';
import { packVersion, unpackVersion, versionOf, type Link, type SnapshotHeader } from './version-blob.ts';

/** What may differ between learners; kept in the checkpoint. See docs/learning.md for how the defaults were found. */
export interface Tuning {
  readonly halfLifeDays: number;
  /** Forgetting by number of experiences besides time, for loops of the caller's own candidates; 0 is none. */
  readonly halfLifeRows: number;
  /** The same for the shared part: it may remember longer what the own parts then correct for today. */
  readonly sharedHalfLifeRows: number;
  readonly sharedRidge: number;
  readonly ownRidge: number;
  readonly bandwidth: number;
  readonly norm: number;
  readonly outputs: number;
  /** How targets in [0, 1] are modelled; see Link. */
  readonly link: 'rate' | 'logit';
}

export const DECLARED_TUNING: Tuning = {
  halfLifeDays: 60,
  halfLifeRows: 0,
  sharedHalfLifeRows: 0,
  sharedRidge: 20,
  ownRidge: 1000,
  bandwidth: 0.25,
  norm: 1,
  outputs: 64,
  link: 'rate',
};
export const GENERIC_TUNING: Tuning = {
  halfLifeDays: 60,
  halfLifeRows: 300,
  sharedHalfLifeRows: 1_000,
  sharedRidge: 12,
  ownRidge: 10,
  bandwidth: 0.5,
  norm: 1,
  outputs: 128,
  link: 'logit',
};

const RESCALE_AT = 1e9;
const SHARED_ITERATIONS = 12;
const OWN_ITERATIONS = 5;
/** Of the caller's own candidates: the rest live on the shared part. */
const MAX_OWN_PARTS = 500;
const MAX_WEIGHTS = 20_000;

const FORMAT = 1;

interface CheckpointHeader {
  readonly format: typeof FORMAT;
  readonly tuning: Tuning;
  readonly link: Link;
  readonly snapshot: number;
  readonly nextSolve: number;
  readonly experiences: number;
  readonly originMs: number;
  readonly newestMs: number;
  readonly rowGrowth: number;
  readonly weight: number;
  readonly slope: number;
  readonly shift: number;
  readonly owns: readonly { readonly id: string; readonly weight: number; readonly columns: readonly number[] }[];
  readonly weights: readonly (readonly [string, number])[];
  /** Σ g and Σ g r² of residuals; absent in a checkpoint of before. */
  readonly residuals?: readonly [number, number];
}

export const createLearner = ({
  encoder,
  loop,
  seed = 1,
  halfLifeDays,
  tuning,
  inferred,
}: LearnerOptions & { readonly tuning?: Partial<Tuning>; readonly inferred?: Partial<InferredTuning> }): Learner => {
  const tuned: Tuning = { ...defaultsOf(encoder), ...(halfLifeDays === undefined ? {} : { halfLifeDays }), ...tuning };
  const trunk = randomFourierFeatures({
    inputs: createEncoder(encoder).xDims,
    outputs: tuned.outputs,
    seed,
    bandwidth: tuned.bandwidth,
    norm: tuned.norm,
  });
  const learner = new BayesianLearner(packVersion({ loop, encoder, trunk }), tuned);
  if (encoder.kind === 'declared') return learner;
  return new TwoExperts(learner, new InferredLearner(seed, { ...INFERRED_TUNING, halfLifeDays: tuned.halfLifeDays, ...inferred }));
};

const defaultsOf = ({ kind }: EncoderSpec): Tuning => (kind === 'declared' ? DECLARED_TUNING : GENERIC_TUNING);

/** On a version that exists already: its encoder, its trunk, whoever made that, and its memory. Throws `model.unreadable`. */
export const createLearnerOf = (versionBlob: Uint8Array, tuning: Partial<Tuning> = {}): Learner => {
  const { encoder, memory } = unpackVersion(versionBlob);
  return new BayesianLearner(versionBlob, { ...defaultsOf(encoder), ...memory, ...tuning });
};

/** Throws `model.unreadable`. */
export const restoreLearner = (checkpoint: Uint8Array): Learner =>
  TwoExperts.restore(checkpoint, (bytes) => BayesianLearner.restore(bytes)) ?? BayesianLearner.restore(checkpoint);

class BayesianLearner implements MovingExpert {
  readonly loop: string;
  readonly version: string;
  readonly versionBlob: Uint8Array;
  experiences = 0;
  readonly ready = true;
  lastError = 0;
  readonly #spec: EncoderSpec;
  readonly #tuning: Tuning;
  readonly #encoder;
  readonly #kernel;
  readonly #code;
  readonly #psi = createSparseRow(512);
  readonly #pair = createSparseRow(64);
  readonly #phi: Float64Array;
  readonly #parts = new WeakMap<ActionProfile, ActionPart>();
  #shared: SharedPart;
  readonly #sharedRidges: Float64Array;
  readonly #ownRidges: Float64Array;
  #owns = new Map<string, OwnPart>();
  #platt = new Platt();
  #residuals = new ResidualVariance();
  carriesVariances = false;
  #link: Link;
  #snapshot = 0;
  /** A young model solves between publications too: the linearisation must not run far ahead of it. */
  #nextSolve = 20;
  /** Weights grow with decidedAt from here, so that nothing has to shrink: an example's weight is fixed for ever. */
  #originMs = 0;
  #newestMs = 0;
  #rowGrowth = 1;
  #weight = 0;
  /** Weights by row, where they grow with rows too: a correction must find its own. */
  #weights = new Map<string, number>();

  constructor(versionBlob: Uint8Array, tuning: Tuning) {
    const { loop, encoder, trunk } = unpackVersion(versionBlob);
    this.loop = loop;
    this.versionBlob = versionBlob;
    this.version = versionOf(versionBlob);
    this.#spec = encoder;
    this.#tuning = tuning;
    this.#link = tuning.link;
    this.#encoder = createEncoder(encoder);
    this.#kernel = createKernel(trunk, 1);
    this.#code = createContextCode(this.#encoder);
    this.#phi = new Float64Array(strideOf(trunk));
    this.#shared = new SharedPart(this.#encoder.psiDims);
    this.#sharedRidges = new Float64Array(this.#encoder.kinds).fill(tuning.sharedRidge);
    this.#ownRidges = new Float64Array(this.#phi.length).fill(tuning.ownRidge);
  }

  get effectiveN(): number {
    return this.#weight / this.#today;
  }

  learnShown(experience: Experience, target: number): void {
    this.#observe(target);
    const g = this.#weightOf(experience, true);
    this.#encode(experience);
    const own = this.#ownOf(experience.action.id, true);
    const score = this.#score(own);
    this.lastError = target - this.#expected(score);
    const [v, residual] = this.#linearised(score, target);
    const gr = g * residual;
    const lasting = this.#lastingOf(g, experience.decidedAtMs) / g;
    this.#shared.learn(this.#psi, lasting * g * v, lasting * gr);
    own?.learn(this.#phi, this.#psi, g, g * v, gr);
    if (this.#link === 'logit') this.#platt.learn(this.#offset + score, g, target);
    if (this.#link === 'identity') this.#residuals.learn(g, target - score);
    this.#weight += g;
    this.experiences++;
    if (this.#today > RESCALE_AT) this.#rescale();
    if (this.#link === 'logit' && this.experiences >= this.#nextSolve) this.#solve();
  }

  correct(experience: Experience, oldTarget: number, newTarget: number | null): void {
    if (newTarget !== null) this.#observe(newTarget);
    this.#encode(experience);
    const own = this.#ownOf(experience.action.id, false);
    const score = this.#score(own);
    const expected = this.#expected(score);
    const g = this.#weightOf(experience, false);
    const change = g * ((newTarget ?? expected) - oldTarget);
    this.lastError = (newTarget ?? expected) - expected;
    this.#shared.correct(this.#psi, (change * this.#lastingOf(g, experience.decidedAtMs)) / g);
    own?.correct(this.#phi, change);
    if (this.#link === 'logit') this.#platt.correct(this.#offset + score, change);
  }

  refresh(): void {
    this.#solve();
  }

  publish(after = 0): Publication {
    this.#solve();
    const today = this.#today;
    this.#snapshot = Math.max(this.#snapshot, after) + 1;
    const stride = this.#phi.length;
    const heads = new Float32Array(stride * (this.#owns.size + 1));
    let row = 1;
    for (const own of this.#owns.values()) heads.set(own.means, stride * row++);
    const header: SnapshotHeader = {
      version: this.version,
      snapshot: this.#snapshot,
      link: this.#link,
      offset: this.#offset,
      slope: this.#platt.slope,
      shift: this.#platt.shift,
      effectiveN: this.effectiveN,
      actions: [...this.#owns.keys()],
      counts: [...this.#owns.values()].map(({ weight }) => weight / today),
    };
    const snapshotBlob = packArtifact({ header, arrays: { shared: Float32Array.from(this.#shared.means), heads, ...this.#variances() } });
    return { version: this.version, snapshot: this.#snapshot, versionBlob: this.versionBlob, snapshotBlob, experiences: this.experiences };
  }

  checkpoint(): Uint8Array {
    const owns = [...this.#owns];
    const shared = this.#shared.packed;
    const header: CheckpointHeader = {
      format: FORMAT,
      tuning: this.#tuning,
      link: this.#link,
      snapshot: this.#snapshot,
      nextSolve: this.#nextSolve,
      experiences: this.experiences,
      originMs: this.#originMs,
      newestMs: this.#newestMs,
      rowGrowth: this.#rowGrowth,
      weight: this.#weight,
      slope: this.#platt.slope,
      shift: this.#platt.shift,
      owns: owns.map(([id, own]) => ({ id, weight: own.weight, columns: [...own.columns.keys()] })),
      weights: [...this.#weights],
      residuals: [this.#residuals.weight, this.#residuals.squares],
    };
    const arrays: Record<string, Float64Array | Int32Array> = {
      version: wordsOfBytes(this.versionBlob),
      sharedMet: shared.met,
      sharedA: shared.a,
      sharedB: shared.b,
      sharedMeans: this.#shared.means,
      sharedRidges: this.#sharedRidges,
      ownRidges: this.#ownRidges,
      counts: this.#platt.counts,
      positives: this.#platt.positives,
      scores: this.#platt.scores,
    };
    owns.forEach(([, own], i) => {
      arrays[`a${i}`] = own.a;
      arrays[`b${i}`] = own.b;
      arrays[`m${i}`] = own.means;
      arrays[`c${i}`] = concat([...own.columns.values()], own.dims);
    });
    return packArtifact({ header, arrays });
  }

  static restore(bytes: Uint8Array): BayesianLearner {
    const { header, arrays } = unpackArtifact<CheckpointHeader>(bytes);
    requireFormat('a learner', header.format, [FORMAT]);
    const array = (name: string): Float64Array => arrays[name] as Float64Array;
    const words = arrays['version'] as Int32Array;
    const learner = new BayesianLearner(bytesOfWords(words), header.tuning);
    learner.#link = header.link;
    learner.#snapshot = header.snapshot;
    learner.#nextSolve = header.nextSolve;
    learner.experiences = header.experiences;
    learner.#originMs = header.originMs;
    learner.#newestMs = header.newestMs;
    learner.#rowGrowth = header.rowGrowth;
    learner.#weight = header.weight;
    learner.#platt.slope = header.slope;
    learner.#platt.shift = header.shift;
    learner.#platt.counts.set(array('counts'));
    learner.#platt.positives.set(array('positives'));
    learner.#platt.scores.set(array('scores'));
    learner.#weights = new Map(header.weights);
    [learner.#residuals.weight, learner.#residuals.squares] = header.residuals ?? [0, 0];
    learner.#shared.restore(arrays['sharedMet'] as Int32Array, array('sharedA'), array('sharedB'));
    learner.#shared.means.set(array('sharedMeans'));
    learner.#sharedRidges.set(array('sharedRidges'));
    learner.#ownRidges.set(array('ownRidges'));
    header.owns.forEach(({ id, weight, columns }, i) => {
      const own = new OwnPart(learner.#phi.length);
      own.weight = weight;
      own.a.set(array(`a${i}`));
      own.b.set(array(`b${i}`));
      own.means.set(array(`m${i}`));
      columns.forEach((index, k) => own.columns.set(index, array(`c${i}`).slice(k * own.dims, (k + 1) * own.dims)));
      learner.#owns.set(id, own);
    });
    return learner;
  }

  /** What a policy with standard errors needs besides; nothing unless it is asked for. */
  #variances() {
    if (!this.carriesVariances) return {};
    const { priorRate } = this.#spec;
    const { kindOf } = this.#encoder;
    return sketchVariances({
      dims: this.#phi.length,
      owns: [...this.#owns.values()],
      ownRidges: this.#ownRidges,
      today: this.#today,
      shared: this.#shared,
      sharedRidgeOf: (place) => this.#sharedRidges[kindOf(place)]!,
      sharedToday: this.#lastingOf(this.#today, this.#newestMs),
      noise: this.#link === 'rate' ? priorRate * (1 - priorRate) : this.#link === 'logit' ? 1 : this.#residuals.variance,
    });
  }

  #solve(): void {
    const today = this.#today;
    const { kindOf } = this.#encoder;
    const lasting = this.#lastingOf(today, this.#newestMs);
    this.#shared.solve((place) => this.#sharedRidges[kindOf(place)]! * lasting, SHARED_ITERATIONS);
    const ownRidges = this.#ownRidges.map((ridge) => ridge * today);
    for (const own of this.#owns.values()) own.solve(this.#shared.means, ownRidges, OWN_ITERATIONS);
    if (this.#link === 'rate') this.#weighEvidence(today);
    if (this.#link === 'logit') this.#platt.fit(today);
    this.#nextSolve = Math.max(this.#nextSolve, Math.ceil(this.experiences * 1.3) + 10);
  }

  /** One ridge for each kind of shared weight, and one for each dimension of φ over all actions. */
  #weighEvidence(today: number): void {
    const { priorRate } = this.#spec;
    const noise = priorRate * (1 - priorRate);
    const { kindOf, kinds } = this.#encoder;
    const squares = new Float64Array(kinds);
    const decided = new Float64Array(kinds);
    this.#shared.met.forEach((place, i) => {
      const kind = kindOf(place);
      const a = this.#shared.diagonal(i) / today;
      squares[kind]! += this.#shared.means[place]! ** 2;
      decided[kind]! += a / (a + this.#sharedRidges[kind]!);
    });
    for (let kind = 1; kind < kinds; kind++)
      this.#sharedRidges[kind] = ridgeOf({ squares: squares[kind]!, decided: decided[kind]! }, noise, this.#tuning.sharedRidge);
    for (let i = 0; i < this.#ownRidges.length; i++) {
      let ownSquares = 0;
      let ownDecided = 0;
      for (const { a, means } of this.#owns.values()) {
        const d = a[(i * (i + 3)) / 2]! / today;
        ownSquares += means[i]! ** 2;
        ownDecided += d / (d + this.#ownRidges[i]!);
      }
      this.#ownRidges[i] = ridgeOf({ squares: ownSquares, decided: ownDecided }, noise, this.#tuning.ownRidge);
    }
  }

  get #offset(): number {
    const { priorRate } = this.#spec;
    return this.#link === 'logit' ? logit(priorRate) : this.#link === 'rate' ? priorRate : 0;
  }

  /** Curvature, and curvature · score + target − prediction. Only the logistic link depends on the score, and so on what was learned before. */
  #linearised(score: number, target: number): readonly [number, number] {
    if (this.#link === 'identity') return [1, target];
    if (this.#link === 'rate') return [1, target - this.#spec.priorRate];
    const u = this.#offset + score;
    const p = sigmoid(u);
    const v = curvatureOf(u, p);
    return [v, v * score + target - p];
  }

  #expected(score: number): number {
    if (this.#link === 'identity') return score;
    return this.#link === 'rate' ? this.#offset + score : sigmoid(this.#platt.slope * (this.#offset + score) + this.#platt.shift);
  }

  /** Today's weight of a new example. */
  get #today(): number {
    return this.#timeGrowth(this.#newestMs) * this.#rowGrowth;
  }

  #timeGrowth(atMs: number): number {
    return Math.pow(2, (atMs - this.#originMs) / (this.#tuning.halfLifeDays * DAY_MS));
  }

  #weightOf({ decisionId, rank, decidedAtMs }: Experience, first: boolean): number {
    if (this.#originMs === 0) this.#originMs = this.#newestMs = decidedAtMs;
    this.#newestMs = Math.max(this.#newestMs, decidedAtMs);
    const { halfLifeRows } = this.#tuning;
    const time = this.#timeGrowth(decidedAtMs);
    if (halfLifeRows === 0) return time;
    const key = `${decisionId}/${rank}`;
    if (!first) return time * (this.#weights.get(key) ?? this.#rowGrowth);
    this.#rowGrowth *= Math.pow(2, 1 / halfLifeRows);
    this.#weights.set(key, this.#rowGrowth);
    if (this.#weights.size > MAX_WEIGHTS) this.#weights.delete(this.#weights.keys().next().value!);
    return time * this.#rowGrowth;
  }

  /** A weight by halfLifeRows, as one by sharedHalfLifeRows. */
  #lastingOf(g: number, atMs: number): number {
    const { halfLifeRows, sharedHalfLifeRows } = this.#tuning;
    if (halfLifeRows === sharedHalfLifeRows) return g;
    const time = this.#timeGrowth(atMs);
    return time * Math.pow(g / time, halfLifeRows / sharedHalfLifeRows);
  }

  /** The first target outside [0, 1] of a caller's loop shows that rewards are real numbers: what was learned as rates is dropped. */
  #observe(target: number): void {
    if (!Number.isFinite(target)) throw new AttuneError('learning.target', `a target must be a finite number, not ${target}`);
    if (this.#link === 'identity' || (target >= 0 && target <= 1)) return;
    this.#link = 'identity';
    this.#shared = new SharedPart(this.#encoder.psiDims);
    this.#owns = new Map();
    this.#platt = new Platt();
    this.#weight = 0;
  }

  #encode({ request, action }: Experience): void {
    const { x } = this.#kernel;
    this.#encoder.encodeContext(request, this.#code);
    x.set(this.#code.x);
    this.#kernel.features();
    this.#phi.set(this.#kernel.phi);
    let part = this.#parts.get(action);
    if (part === undefined) this.#parts.set(action, (part = this.#encoder.encodeAction(action)));
    this.#encoder.encodePair(request, this.#code, action, part, this.#pair);
    const psi = this.#psi;
    psi.count = 0;
    for (const { index, value, count } of [this.#code.common, { ...part, count: part.index.length }, this.#pair]) {
      for (let k = 0; k < count; k++) push(psi, index[k]!, value[k]!);
    }
  }

  #ownOf(id: string, create: boolean): OwnPart | undefined {
    let own = this.#owns.get(id);
    if (own === undefined && create && this.#owns.size < MAX_OWN_PARTS) this.#owns.set(id, (own = new OwnPart(this.#phi.length)));
    return own;
  }

  #score(own: OwnPart | undefined): number {
    let score = 0;
    const { index, value, count } = this.#psi;
    for (let k = 0; k < count; k++) score += this.#shared.means[index[k]!]! * value[k]!;
    if (own !== undefined) for (let i = 0; i < this.#phi.length; i++) score += own.means[i]! * this.#phi[i]!;
    return score;
  }

  #rescale(): void {
    const factor = 1 / this.#today;
    this.#shared.scale(1 / this.#lastingOf(this.#today, this.#newestMs));
    for (const own of this.#owns.values()) own.scale(factor);
    this.#platt.scale(factor);
    this.#residuals.scale(factor);
    this.#weight *= factor;
    for (const [key, weight] of this.#weights) this.#weights.set(key, weight / this.#rowGrowth);
    this.#originMs = this.#newestMs;
    this.#rowGrowth = 1;
  }
}

/**
 * Between Newton's curvature p(1−p), which overshoots where the truth is far above p, and the bound of Jaakkola & Jordan (1997),
 * tanh(u/2)/2u, which never does but is slow: their geometric mean.
 */
const curvatureOf = (u: number, p: number): number => {
  const bound = Math.abs(u) < 1e-3 ? 0.25 : Math.tanh(u / 2) / (2 * u);
  return Math.sqrt(Math.max(0.03, p * (1 - p)) * bound);
};

const concat = (columns: readonly Float64Array[], dims: number): Float64Array => {
  const out = new Float64Array(columns.length * dims);
  columns.forEach((column, i) => out.set(column, i * dims));
  return out;
};
