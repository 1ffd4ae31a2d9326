/** The compiled encoder: a context once a decision, an action's part once a catalog, what joins them once a candidate. */
import { createSparseRow } from '../head/sparse-row.ts';
import { createDeclaredEncoder } from './declared-encoder.ts';
import { createGenericEncoder } from './generic-encoder.ts';
import type { EncoderSpec } from './spec.ts';
import type { ContextCode, Encoder } from './types.ts';

export const createEncoder = (spec: EncoderSpec): Encoder =>
  spec.kind === 'declared' ? createDeclaredEncoder(spec) : createGenericEncoder(spec);

export const createContextCode = (encoder: Encoder): ContextCode => ({
  x: new Float32Array(encoder.xDims),
  common: createSparseRow(160),
  tokens: new Int32Array(64),
});

export type { ActionPart, ContextCode, Encoder } from './types.ts';
