/** The blob of a version: what does not change between its snapshots, encoder and trunk. Its hash is its name. */
import { createHash } from 'node:crypto';
import { packArtifact, unpackArtifact } from './artifact.ts';
import type { EncoderSpec } from './encoder/spec.ts';
import { trunkOf, type Activation, type Trunk, type TrunkLayer } from './trunk/trunk.ts';

/**
 * How a score becomes a mean. `rate`: the score is the rate itself, clamped smoothly; `logit`: σ of it; both for targets in [0, 1], and both
 * calibrated. `identity`: as it is, for real-valued rewards.
 */
export type Link = 'rate' | 'logit' | 'identity';

/** Half-lives of what a learner of this version has learned; those of rows are 0 where rows do not age it. */
export interface Memory {
  readonly halfLifeDays: number;
  readonly halfLifeRows: number;
  /** Of the shared part. */
  readonly sharedHalfLifeRows: number;
}

export interface VersionContent {
  readonly loop: string;
  readonly encoder: EncoderSpec;
  readonly trunk: Trunk;
  /** Absent: what its kind of learner has by default. Part of the version: whoever learns it anew forgets as it did. */
  readonly memory?: Memory | undefined;
}

interface Header {
  readonly format: 1;
  readonly loop: string;
  readonly encoder: EncoderSpec;
  readonly trunk: FourierHeader | LayersHeader;
  readonly memory?: Memory;
}

/** A single layer of random Fourier features, as all blobs had it before there were others: the same trunk keeps its version's name. */
interface FourierHeader {
  readonly layer: 'RandomFourierFeatures';
  readonly inputs: number;
  readonly outputs: number;
  readonly scale: number;
}

/** Weights of layer i are the arrays `w<i>` and `b<i>`. */
interface LayersHeader {
  readonly layer: 'LayersModel';
  readonly layers: readonly LayerHeader[];
}

type LayerHeader =
  | { readonly kind: 'dense'; readonly inputs: number; readonly outputs: number; readonly activation: Activation }
  | { readonly kind: 'fourier'; readonly inputs: number; readonly outputs: number; readonly scale: number };

export const packVersion = ({ loop, encoder, trunk, memory }: VersionContent): Uint8Array => {
  const of = { format: 1, loop, encoder, ...(memory === undefined ? {} : { memory }) } as const;
  const [first] = trunk.layers;
  if (trunk.layers.length === 1 && first!.kind === 'fourier') {
    const { inputs, outputs, scale, w, b } = first as Extract<TrunkLayer, { kind: 'fourier' }>;
    return packArtifact<Header>({
      header: { ...of, trunk: { layer: 'RandomFourierFeatures', inputs, outputs, scale } },
      arrays: { w, b },
    });
  }
  const layers = trunk.layers.map(({ w: _w, b: _b, ...header }): LayerHeader => header);
  return packArtifact<Header>({
    header: { ...of, trunk: { layer: 'LayersModel', layers } },
    arrays: Object.fromEntries(
      trunk.layers.flatMap(({ w, b }, i) => [
        [`w${i}`, w],
        [`b${i}`, b],
      ]),
    ),
  });
};

export const unpackVersion = (blob: Uint8Array): VersionContent => {
  const { header, arrays } = unpackArtifact<Header>(blob);
  const array = (name: string): Float32Array => arrays[name] as Float32Array;
  const { loop, encoder, trunk, memory } = header;
  if (trunk.layer === 'RandomFourierFeatures') {
    const { inputs, outputs, scale } = trunk;
    return { loop, encoder, memory, trunk: trunkOf([{ kind: 'fourier', inputs, outputs, scale, w: array('w'), b: array('b') }]) };
  }
  return { loop, encoder, memory, trunk: trunkOf(trunk.layers.map((layer, i) => ({ ...layer, w: array(`w${i}`), b: array(`b${i}`) }))) };
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
