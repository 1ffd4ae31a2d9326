/** The blob of a version: what does not change between its snapshots, encoder and trunk. Its hash is its name. */
import { createHash } from 'node:crypto';
import { packArtifact, unpackArtifact } from './artifact.ts';
import type { EncoderSpec } from './encoder/spec.ts';
import type { TrunkWeights } from './trunk/random-fourier.ts';

/**
 * How a score becomes a mean. `rate`: the score is the rate itself, clamped smoothly; `logit`: σ of it; both for targets in [0, 1], and both
 * calibrated. `identity`: as it is, for real-valued rewards.
 */
export type Link = 'rate' | 'logit' | 'identity';

export interface VersionContent {
  readonly loop: string;
  readonly encoder: EncoderSpec;
  readonly trunk: TrunkWeights;
}

interface Header {
  readonly format: 1;
  readonly loop: string;
  readonly encoder: EncoderSpec;
  readonly trunk: { readonly layer: 'RandomFourierFeatures'; readonly inputs: number; readonly outputs: number; readonly scale: number };
}

export const packVersion = ({ loop, encoder, trunk }: VersionContent): Uint8Array => {
  const { inputs, outputs, scale, w, b } = trunk;
  return packArtifact<Header>({
    header: { format: 1, loop, encoder, trunk: { layer: 'RandomFourierFeatures', inputs, outputs, scale } },
    arrays: { w, b },
  });
};

export const unpackVersion = (blob: Uint8Array): VersionContent => {
  const { header, arrays } = unpackArtifact<Header>(blob);
  const { inputs, outputs, scale } = header.trunk;
  return {
    loop: header.loop,
    encoder: header.encoder,
    trunk: { inputs, outputs, scale, w: arrays['w'] as Float32Array, b: arrays['b'] as Float32Array },
  };
};

/** 16 hex digits. */
export const versionOf = (blob: Uint8Array): string => createHash('sha256').update(blob).digest('hex').slice(0, 16);

/** Of one snapshot: means and what turns them into propensities. */
export interface SnapshotHeader {
  readonly version: string;
  readonly snapshot: number;
  readonly link: Link;
  /** Score of a model without data. */
  readonly offset: number;
  readonly slope: number;
  readonly shift: number;
  readonly effectiveN: number;
  /** In the order of the rows of `heads`; row 0 is all zeros, for actions without data. */
  readonly actions: readonly string[];
  readonly counts: readonly number[];
}
