/** A version on somebody else's trunk: read, checked against the encoder, and proved to serve as TensorFlow.js computes it. */
import type { EncoderSpec } from './encoder/spec.ts';
import { createEncoder } from './encoder/encoder.ts';
import { openVersion } from './scorer.ts';
import { trunkOfLayersModel } from './trunk/from-layers-model.ts';
import { packVersion, versionOf } from './version-blob.ts';

export interface OwnVersionOptions {
  /** A folder with model.json, or that file. */
  readonly path: string;
  readonly loop: string;
  readonly encoder: EncoderSpec;
  /** Whose output is the trunk's; default: the layer before the last dense one. */
  readonly layer?: string | undefined;
}

/** Throws `trunk.unreadable`, `trunk.unsupported` (naming the layer) and `model.kernel-differs`. */
export const ownVersion = async ({ path, loop, encoder, layer }: OwnVersionOptions) => {
  const trunk = await trunkOfLayersModel(path, { inputs: createEncoder(encoder).xDims, layer });
  const versionBlob = packVersion({ loop, encoder, trunk });
  await openVersion(versionBlob);
  return {
    version: versionOf(versionBlob),
    versionBlob,
    /** Widths from x on. */
    shape: [trunk.inputs, ...trunk.layers.map(({ outputs }) => outputs)].join(' → '),
  };
};
