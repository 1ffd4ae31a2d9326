/** What the values of a caller's loop look like, found from its first rows: which are numbers and how they spread, which are categories. */
import { AttuneError, type AttributeValue, type ScoringRequest } from '#contracts';

/** Where a value stands in a request: `a:` attribute, `c:` context, `f:` feature, `r:` the request itself; then its name. */
export type FieldName = `${'a' | 'c' | 'f' | 'r'}:${string}`;

export type InferredField =
  /** A number by its rank among the rows seen, on ±√3: any unit, any outlier (mid-ranks where values repeat). */
  | { readonly name: FieldName; readonly as: 'rank'; readonly knots: number }
  /** One of two numbers: 1 for the greater. */
  | { readonly name: FieldName; readonly as: 'flag'; readonly greater: number }
  /** `one`: what a category is in x; 1 where absent. */
  | { readonly name: FieldName; readonly as: 'oneHot'; readonly values: readonly string[]; readonly one?: number };

export interface InferredFields {
  readonly fields: readonly InferredField[];
  /** Of all rank fields, one after another; each increasing, not strictly. */
  readonly knots: Float64Array;
}

const MAX_KNOTS = 65;
const MAX_VALUES = 64;
const MAX_FIELDS = 256;
/** What a category is in x, where a number spreads by 1: one that differs counts half as much as a number elsewhere in its range. */
const CATEGORY = 0.7;
/** Of all fields: with more, each keeps fewer of its categories. Statistics grow with the square of it. */
const MAX_INPUTS = 512;

/** The fields that vary over `requests`, in the order of their names. O(rows · fields · log rows). */
export const inferFields = (requests: readonly ScoringRequest[]): InferredFields => {
  const columns = new Map<FieldName, AttributeValue[]>();
  for (const request of requests)
    visitValues(request, (name, value) => {
      let column = columns.get(name);
      if (column === undefined) columns.set(name, (column = []));
      column.push(value);
    });
  const fields: InferredField[] = [];
  const knots: number[] = [];
  const names = [...columns.keys()].toSorted().slice(0, MAX_FIELDS);
  const categories = new Map(
    names
      .filter((name) => columns.get(name)!.some((value) => typeof value !== 'number'))
      .map((name) => [name, byCount(columns.get(name)!)]),
  );
  const most = mostValues(
    [...categories.values()].map(({ length }) => length),
    MAX_INPUTS - (names.length - categories.size),
  );
  for (const name of names) {
    const values = columns.get(name)!;
    const counted = categories.get(name);
    if (counted !== undefined) {
      // In the order of their text.
      const kept = counted.slice(0, most).toSorted();
      if (kept.length > 1 || values.length < requests.length) fields.push({ name, as: 'oneHot', values: kept, one: CATEGORY });
      continue;
    }
    const sorted = Float64Array.from(values as number[]).toSorted();
    const distinct = new Set(sorted).size;
    if (distinct === 2) fields.push({ name, as: 'flag', greater: sorted.at(-1)! });
    else if (distinct > 2) {
      const count = Math.min(MAX_KNOTS, sorted.length);
      for (let k = 0; k < count; k++) knots.push(sorted[Math.round((k * (sorted.length - 1)) / (count - 1))]!);
      fields.push({ name, as: 'rank', knots: count });
    }
  }
  return { fields, knots: Float64Array.from(knots) };
};

/** The most frequent first. */
const byCount = (values: readonly AttributeValue[]): string[] => {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(String(value), (counts.get(String(value)) ?? 0) + 1);
  return [...counts].toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([value]) => value);
};

/** How many values each field may keep, so that all of them fit. */
const mostValues = (sizes: readonly number[], room: number): number => {
  let most = MAX_VALUES;
  while (most > 1 && sizes.reduce((sum, size) => sum + Math.min(size, most), 0) > room) most--;
  return most;
};

/** Every value that a request has; numbers that are not finite are absent. */
const visitValues = (
  { view, context, channel, placement }: ScoringRequest,
  visit: (name: FieldName, value: AttributeValue) => void,
): void => {
  const visitIfKnown = (name: FieldName, value: AttributeValue): void => {
    if (typeof value !== 'number' || Number.isFinite(value)) visit(name, value);
  };
  for (const name in view.attributes) visitIfKnown(`a:${name}`, view.attributes[name]!);
  for (const name in context) visitIfKnown(`c:${name}`, context[name]!);
  view.featureNames.forEach((name, i) => visitIfKnown(`f:${name}`, view.features[i]!));
  visit('r:channel', channel);
  if (placement !== null) visit('r:placement', placement);
};

/** Writes x of a request; what is absent or unknown leaves zeros: the middle of a number's range, no category. */
export interface FieldEncoder {
  /** A multiple of 4; x[0] is 1. */
  readonly xDims: number;
  encode(request: ScoringRequest, x: Float32Array): void;
}

export const createFieldEncoder = ({ fields, knots }: InferredFields): FieldEncoder => {
  let dims = 1;
  let from = 0;
  const writers = fields.map((field) => {
    const at = dims;
    dims += field.as === 'oneHot' ? field.values.length : 1;
    const read = createReader(field.name);
    if (field.as === 'oneHot') return writeCategory(read, field.values, at, field.one ?? 1);
    if (field.as === 'flag') return writeFlag(read, field.greater, at);
    const own = knots.subarray(from, (from += field.knots));
    if (own.length !== field.knots) throw new AttuneError('model.unreadable', `the knots of field ${field.name} are not all there`);
    return writeRank(read, own, at);
  });
  return {
    xDims: Math.ceil(dims / 4) * 4,
    encode(request, x) {
      x.fill(0);
      x[0] = 1;
      for (const write of writers) write(request, x);
    },
  };
};

type Read = (request: ScoringRequest) => AttributeValue | undefined;
type Write = (request: ScoringRequest, x: Float32Array) => void;

const writeRank =
  (read: Read, knots: Float64Array, at: number): Write =>
  (request, x) => {
    const value = Number(read(request) ?? Number.NaN);
    if (Number.isFinite(value)) x[at] = rankOf(value, knots);
  };

const writeFlag =
  (read: Read, greater: number, at: number): Write =>
  (request, x) => {
    if (Number(read(request)) === greater) x[at] = 1;
  };

const writeCategory = (read: Read, values: readonly string[], at: number, one: number): Write => {
  const places = new Map(values.map((value, i) => [value, at + i]));
  return (request, x) => {
    const value = read(request);
    const place = value === undefined ? undefined : places.get(typeof value === 'string' ? value : String(value));
    if (place !== undefined) x[place] = one;
  };
};

/** √3 (2F(v) − 1), F the mid-rank distribution of the knots: variance 1 where ranks are even. */
const rankOf = (value: number, knots: Float64Array): number => {
  const last = knots.length - 1;
  const below = boundOf(knots, (knot) => knot >= value);
  const upTo = boundOf(knots, (knot) => knot > value);
  let position: number;
  if (below < upTo) position = (below + upTo - 1) / 2;
  else if (below === 0) position = 0;
  else if (below > last) position = last;
  else position = below - 1 + (value - knots[below - 1]!) / (knots[below]! - knots[below - 1]!);
  return Math.sqrt(3) * ((2 * position) / last - 1);
};

/** The first place for which `reached` holds. */
const boundOf = (knots: Float64Array, reached: (knot: number) => boolean): number => {
  let low = 0;
  let high = knots.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (reached(knots[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
};

const createReader = (field: FieldName): Read => {
  const name = field.slice(2);
  switch (field[0]) {
    case 'a':
      return ({ view }) => view.attributes[name];
    case 'c':
      return ({ context }) => context[name];
    case 'f':
      return ({ view }) => {
        const at = view.featureNames.indexOf(name);
        return at < 0 ? undefined : view.features[at];
      };
    default:
      return name === 'channel' ? ({ channel }) => channel : ({ placement }) => placement ?? undefined;
  }
};
