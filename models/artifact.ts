/** A model's artifacts: a JSON header and named arrays in one blob; byte for byte the same for the same content. */
import { AttuneError } from '#contracts';

const MAGIC = 0x31545441; // "ATT1"
type Kind = 'f32' | 'f64' | 'i16' | 'i32';
type TypedArray = Float32Array | Float64Array | Int16Array | Int32Array;
type Arrays = Readonly<Record<string, TypedArray>>;

export interface Artifact<H> {
  readonly header: H;
  readonly arrays: Arrays;
}

export const packArtifact = <H>({ header, arrays }: Artifact<H>): Uint8Array => {
  const entries = Object.entries(arrays).map(([name, array]) => ({ name, kind: kindOf(array), length: array.length }));
  const json = Buffer.from(JSON.stringify({ header, entries }), 'utf8');
  const start = Math.ceil((8 + json.length) / 8) * 8;
  let size = start;
  for (const array of Object.values(arrays)) size = Math.ceil((size + array.byteLength) / 8) * 8;
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, json.length, true);
  out.set(json, 8);
  let at = start;
  for (const array of Object.values(arrays)) {
    out.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
    at = Math.ceil((at + array.byteLength) / 8) * 8;
  }
  return out;
};

/** Copies; the bytes may be an alias of a memory map. Throws `model.unreadable`. */
export const unpackArtifact = <H>(bytes: Uint8Array): Artifact<H> => {
  const copy = Uint8Array.from(bytes);
  const view = new DataView(copy.buffer);
  if (copy.length < 8 || view.getUint32(0, true) !== MAGIC)
    throw new AttuneError('model.unreadable', `not a model's artifact (${bytes.length} bytes)`);
  try {
    const jsonLength = view.getUint32(4, true);
    const { header, entries } = JSON.parse(Buffer.from(copy.buffer, 8, jsonLength).toString('utf8')) as {
      header: H;
      entries: { name: string; kind: Kind; length: number }[];
    };
    let at = Math.ceil((8 + jsonLength) / 8) * 8;
    const arrays: Record<string, TypedArray> = {};
    for (const { name, kind, length } of entries) {
      const array =
        kind === 'f64'
          ? new Float64Array(copy.buffer, at, length)
          : kind === 'f32'
            ? new Float32Array(copy.buffer, at, length)
            : kind === 'i16'
              ? new Int16Array(copy.buffer, at, length)
              : new Int32Array(copy.buffer, at, length);
      arrays[name] = array;
      at = Math.ceil((at + array.byteLength) / 8) * 8;
    }
    return { header, arrays };
  } catch (cause) {
    throw new AttuneError('model.unreadable', `a model's artifact is damaged: ${(cause as Error).message}`, { cause });
  }
};

const kindOf = (array: TypedArray): Kind =>
  array instanceof Float64Array ? 'f64' : array instanceof Float32Array ? 'f32' : array instanceof Int16Array ? 'i16' : 'i32';
