/** The encoder that catalog/…/encoder.yaml declares: named fields to x; action, profile, crosses and pair to ψ. */
import { DAY_MS, hash32, type ActionProfile, type AttributeValue, type ScoringRequest } from '#contracts';
import { push } from '../head/sparse-row.ts';
import { tokenSeed, type ActionPart, type Encoder } from './types.ts';
import type { ContextField, Cross, EncoderSpec, FieldSource } from './spec.ts';

type Declared = Extract<EncoderSpec, { kind: 'declared' }>;
type Value = AttributeValue | undefined;

const ID_BUCKETS = 128;
const PROFILE_BUCKETS = 64;
/** Of one cross. */
const CROSS_BUCKETS = 512;
const PAIR_DIMS = 6;
const PROFILE_AT = 1 + ID_BUCKETS;
const CROSS_AT = PROFILE_AT + PROFILE_BUCKETS;

export const createDeclaredEncoder = (spec: Declared): Encoder => {
  const xNames = ['bias'];
  const writers = spec.fields.map((field) => createWriter(field, xNames));
  const readers = spec.crosses.map(createCrossReader);
  const tokenOf = createTokens();
  const PAIR_AT = CROSS_AT + spec.crosses.length * CROSS_BUCKETS;
  return {
    xDims: Math.ceil(xNames.length / 4) * 4,
    psiDims: PAIR_AT + PAIR_DIMS,
    kinds: 4 + spec.crosses.length,
    kindOf: (place) =>
      place < 1
        ? 0
        : place < PROFILE_AT
          ? 1
          : place < CROSS_AT
            ? 2
            : place >= PAIR_AT
              ? 3
              : 4 + Math.floor((place - CROSS_AT) / CROSS_BUCKETS),
    xNames,
    encodeContext(request, { x, common, tokens }) {
      x.fill(0);
      x[0] = 1;
      for (let i = 0; i < writers.length; i++) writers[i]!(request, x);
      common.count = 0;
      push(common, 0, 1);
      for (let i = 0; i < readers.length; i++) {
        const value = readers[i]!(request);
        tokens[i] = value === undefined ? 0 : tokenOf(value);
      }
    },
    encodeAction: (action) => encodeAction(spec, action),
    encodePair(request, { tokens }, action, part, out) {
      out.count = 0;
      for (let i = 0; i < part.crosses.length; i++) {
        const token = tokens[i]!;
        const seed = part.crosses[i]!;
        if (token !== 0 && seed !== 0) push(out, CROSS_AT + i * CROSS_BUCKETS + (avalanche(token ^ seed) & (CROSS_BUCKETS - 1)), 1);
      }
      const pair = request.view.pair(action.id);
      if (pair.shown > 0) {
        push(out, PAIR_AT, Math.log1p(pair.shown) * 0.5);
        push(out, PAIR_AT + 1, Math.log1p(pair.accepted));
        push(out, PAIR_AT + 2, Math.log1p(pair.rejected));
        push(out, PAIR_AT + 3, recency(request.nowMs, pair.lastShownMs, DAY_MS));
        push(out, PAIR_AT + 4, recency(request.nowMs, pair.lastShownMs, 7 * DAY_MS));
        push(out, PAIR_AT + 5, recency(request.nowMs, pair.lastRejectedMs, 14 * DAY_MS));
      }
    },
  };
};

const encodeAction = (spec: Declared, action: ActionProfile): ActionPart => {
  const index = [1 + (hash32(action.id, tokenSeed.id) % ID_BUCKETS)];
  for (const name of spec.profile) {
    const value = action.features[name];
    if (value !== undefined) index.push(PROFILE_AT + (hash32(`${name}=${String(value)}`, tokenSeed.profile) % PROFILE_BUCKETS));
  }
  const crosses = spec.crosses.map(({ profile, name }) => {
    const value = profile === 'id' ? action.id : action.features[profile];
    return value === undefined ? 0 : hash32(`${profile}=${String(value)}×${name}`, tokenSeed.cross) | 0;
  });
  return { index: Int32Array.from(index), value: new Float64Array(index.length).fill(1), crosses: Int32Array.from(crosses) };
};

/** 1 when it was just now, 1/e after `scaleMs`; 0 when never. */
const recency = (nowMs: number, atMs: number, scaleMs: number): number => (atMs > 0 ? Math.exp(-Math.max(0, nowMs - atMs) / scaleMs) : 0);

const avalanche = (h: number): number => {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
};

/** Hashing a string costs more than looking it up; bounded, since callers may send anything. */
const createTokens = (): ((value: AttributeValue) => number) => {
  const known = new Map<AttributeValue, number>();
  return (value) => {
    const token = known.get(value);
    if (token !== undefined) return token;
    const fresh = hash32(String(value), tokenSeed.value) | 0 || 1;
    if (known.size < 4096) known.set(value, fresh);
    return fresh;
  };
};

const createCrossReader = ({ source, name, steps }: Cross): ((request: ScoringRequest) => Value) => {
  const read = createReader(source, name);
  if (steps === undefined) return read;
  return (request) => {
    const value = Number(read(request));
    return Number.isNaN(value) ? undefined : steps.filter((step) => value >= step).length;
  };
};

const createReader = (source: FieldSource, name: string): ((request: ScoringRequest) => Value) => {
  switch (source) {
    case 'attribute':
      return ({ view }) => view.attributes[name];
    case 'context':
      return ({ context }) => context[name];
    case 'feature':
      return createFeatureReader(name);
    case 'request':
      return name === 'channel'
        ? (r) => r.channel
        : name === 'direction'
          ? (r) => r.direction
          : name === 'known'
            ? (r) => r.view.known
            : (r) => r.placement ?? undefined;
    case 'now':
      return name === 'hour' ? (r) => (r.nowMs % DAY_MS) / 3_600_000 : (r) => (Math.floor(r.nowMs / DAY_MS) + 4) % 7;
  }
};

/** Feature names come as one array per feature set: its identity is the key of the position. */
const createFeatureReader = (name: string): ((request: ScoringRequest) => Value) => {
  let names: readonly string[] | null = null;
  let at = -1;
  return ({ view }) => {
    if (view.featureNames !== names) {
      names = view.featureNames;
      at = names.indexOf(name);
    }
    const value = at < 0 ? undefined : view.features[at];
    return value === undefined || Number.isNaN(value) ? undefined : value;
  };
};

const createWriter = (field: ContextField, xNames: string[]): ((request: ScoringRequest, x: Float32Array) => void) => {
  const read = createReader(field.source, field.name);
  const at = xNames.length;
  const missingAt = field.missing ? at + widthOf(field) : -1;
  for (let i = 0; i < widthOf(field); i++) xNames.push(nameOf(field, i));
  if (field.missing) xNames.push(`${field.name}?`);
  const write = createEncoding(field, at);
  return (request, x) => {
    const value = read(request);
    if (value === undefined) {
      if (missingAt >= 0) x[missingAt] = 1;
    } else write(value, x);
  };
};

const createEncoding = ({ encoding }: ContextField, at: number): ((value: AttributeValue, x: Float32Array) => void) => {
  switch (encoding.as) {
    case 'oneHot': {
      const places = new Map(encoding.values.map((value, i) => [value, at + i]));
      return (value, x) => {
        const place = places.get(typeof value === 'string' ? value : String(value));
        if (place !== undefined) x[place] = 1;
      };
    }
    case 'hash': {
      const tokenOf = createTokens();
      return (value, x) => {
        x[at + ((tokenOf(value) >>> 0) % encoding.dims)] = 1;
      };
    }
    case 'flag':
      return (value, x) => {
        x[at] = value === true || value === 'true' || (typeof value === 'number' && value > 0) ? 1 : 0;
      };
    case 'cycle':
      return (value, x) => {
        const angle = (2 * Math.PI * Number(value)) / encoding.period;
        if (!Number.isFinite(angle)) return;
        x[at] = Math.sin(angle);
        x[at + 1] = Math.cos(angle);
      };
    case 'number': {
      const { transform, shift, scale, clip } = encoding;
      return (value, x) => {
        const raw = Number(value);
        if (Number.isNaN(raw)) return;
        const t =
          transform === 'log1p'
            ? Math.sign(raw) * Math.log1p(Math.abs(raw))
            : transform === 'sqrt'
              ? Math.sign(raw) * Math.sqrt(Math.abs(raw))
              : raw;
        x[at] = Math.max(-clip, Math.min(clip, (t - shift) * scale));
      };
    }
  }
};

const widthOf = ({ encoding }: ContextField): number =>
  encoding.as === 'oneHot' ? encoding.values.length : encoding.as === 'hash' ? encoding.dims : encoding.as === 'cycle' ? 2 : 1;

const nameOf = ({ name, encoding }: ContextField, i: number): string =>
  encoding.as === 'oneHot' ? `${name}=${encoding.values[i]}` : widthOf({ encoding } as ContextField) > 1 ? `${name}#${i}` : name;
