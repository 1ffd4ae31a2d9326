/** The encoder for callers' own candidates: any names and values, by signed hashing (Weinberger et al. 2009), nothing declared. */
import { hash32, type AttributeValue } from '#contracts';
import { push, type SparseRow } from '../head/sparse-row.ts';
import { tokenSeed, type Encoder } from './types.ts';
import type { EncoderSpec } from './spec.ts';

type Generic = Extract<EncoderSpec, { kind: 'generic' }>;

const X_DIMS = 64;

/**
 * A text or truth value becomes the token name=value. A number becomes two tokens, itself to three digits and to one: a category where
 * it has few values, a coarse bin where it has many, and no scale to be guessed.
 */
export const createGenericEncoder = ({ dims }: Generic): Encoder => ({
  xDims: X_DIMS,
  psiDims: dims,
  kindOf: () => 0,
  kinds: 1,
  xNames: ['bias', ...Array.from({ length: X_DIMS - 1 }, (_, i) => `hash#${i}`)],
  encodeContext(request, { x, common }) {
    x.fill(0);
    common.count = 0;
    push(common, 0, 1);
    const { view, context } = request;
    for (const name in view.attributes) encodeValue('a:' + name, view.attributes[name]!, dims, common, x);
    for (const name in context) encodeValue('c:' + name, context[name]!, dims, common, x);
    for (let i = 0; i < view.featureNames.length; i++) {
      const value = view.features[i]!;
      if (value !== 0 && !Number.isNaN(value)) encodeValue('f:' + view.featureNames[i]!, value, dims, common, x);
    }
    encodeValue('channel', request.channel, dims, common, x);
    if (request.placement !== null) encodeValue('placement', request.placement, dims, common, x);
    x[0] = 1;
  },
  encodeAction(action) {
    const row: SparseRow = { index: new Int32Array(96), value: new Float64Array(96), count: 0 };
    push(row, bucket(`id=${action.id}`, dims), 1);
    for (const name in action.features) encodeValue('k:' + name, action.features[name]!, dims, row, null);
    return { index: row.index.slice(0, row.count), value: row.value.slice(0, row.count), crosses: new Int32Array(0) };
  },
  encodePair(_request, _code, _action, _part, out) {
    out.count = 0;
  },
});

const encodeValue = (name: string, value: AttributeValue, dims: number, row: SparseRow, x: Float32Array | null): void => {
  if (typeof value !== 'number') return token(`${name}=${String(value)}`, dims, row, x);
  if (Number.isNaN(value)) return;
  token(`${name}=${value === 0 ? '0' : value.toPrecision(3)}`, dims, row, x);
  push(row, bucket(`${name}~${value === 0 ? '0' : value.toPrecision(1)}`, dims), 1);
  if (x !== null)
    x[1 + (hash32(name, tokenSeed.sign) % (X_DIMS - 1))]! += Math.max(
      -4,
      Math.min(4, 0.3 * Math.sign(value) * Math.log1p(Math.abs(value))),
    );
};

const token = (text: string, dims: number, row: SparseRow, x: Float32Array | null): void => {
  push(row, bucket(text, dims), 1);
  if (x === null) return;
  const h = hash32(text, tokenSeed.sign);
  x[1 + (h % (X_DIMS - 1))]! += h & 0x10000 ? 0.5 : -0.5;
};

const bucket = (text: string, dims: number): number => 1 + (hash32(text, tokenSeed.value) % (dims - 1));
