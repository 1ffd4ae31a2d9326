/** What the other folders know of learning: a learner that learns and publishes, a version that opens scorers. */
import type { Experience, Scorer } from '#contracts';
import type { EncoderSpec } from './encoder/spec.ts';

export interface LearnerOptions {
  /** compileEncoder(project) for the catalog's loop, genericEncoder() for the caller's own candidates. */
  readonly encoder: EncoderSpec;
  /** Empty for the catalog's loop. */
  readonly loop: string;
  /** Of random Fourier features and nothing else. */
  readonly seed?: number;
  /** In days of decidedAt. */
  readonly halfLifeDays?: number;
}

/** A snapshot to announce on attune.models: both blobs are content-addressed by the caller. */
export interface Publication {
  /** 16 hex digits: hash of the version's blob. */
  readonly version: string;
  /** Grows with each publication. */
  readonly snapshot: number;
  /** Encoder and trunk: the same bytes for every snapshot of a version. */
  readonly versionBlob: Uint8Array;
  /** Means, effective sample sizes, calibrator. */
  readonly snapshotBlob: Uint8Array;
  /** learnShown calls so far. */
  readonly experiences: number;
}

export interface Learner {
  /** True: snapshots carry the posterior's variances, for policies that need standard errors (models/head/variance.ts says what it costs). */
  carriesVariances?: boolean;
  readonly loop: string;
  readonly version: string;
  readonly versionBlob: Uint8Array;
  readonly experiences: number;
  /** After forgetting, of the whole model. */
  readonly effectiveN: number;
  /** The first record of a row that has a target (a provisional 0, or the outcome itself). Call once a row. */
  learnShown(experience: Experience, target: number): void;
  /** A later record of the same row; a null target (undelivered after all) makes the row teach nothing more. */
  correct(experience: Experience, oldTarget: number, newTarget: number | null): void;
  /** Solves for the means of what has changed; a few ms. The snapshot's number is above `after`, what others have given out. */
  publish(after?: number): Publication;
  /** Everything, bit for bit: restoreLearner(checkpoint()) goes on as this one would. */
  checkpoint(): Uint8Array;
}

/** A version whose kernel was proved equal to TensorFlow.js. */
export interface ModelVersion {
  readonly version: string;
  readonly loop: string;
  /** 'wasm-simd' or 'plain': what computes the trunk. */
  readonly kernel: string;
  /** Synchronous, under a millisecond: for every snapshot that arrives. */
  open(snapshotBlob: Uint8Array): Scorer;
}
