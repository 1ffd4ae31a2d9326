/** Tells when what the model is asked with is no longer what it learned from: the population stability index of each field, window by window. */
import type { AttributeValue, ScoringRequest } from '#contracts';

/**
 * PSI = Σ (q − p) ln(q / p) over a field's bins, p of the reference, q of the window; the symmetrised Kullback–Leibler divergence. Without drift it
 * is (1/n + 1/m) χ² with B − 1 degrees of freedom (Yurdakul 2018), so a field is said to drift when its PSI is above that law's quantile, at a
 * level shared by all fields, and above what practice calls moderate (0.1). Rows of one customer resemble each other and the law supposes
 * that they do not; that is what the second bound is for.
 *
 * Numbers are binned at the reference's deciles, texts by its most frequent values; absence is a bin. The reference is the first window, and
 * takes in each later one, old ones fading, as the model's own memory does. Kept in memory: a restart begins anew.
 */
export interface InputDriftOptions {
  /** Rows in a window. */
  readonly windowRows: number;
  /** P(any field alarms in a window although nothing has changed). */
  readonly falseAlarmsPerWindow: number;
  /** The least PSI that is worth an alarm. */
  readonly leastPsi: number;
}

export const DEFAULT_INPUT_OPTIONS: InputDriftOptions = Object.freeze({ windowRows: 2_000, falseAlarmsPerWindow: 0.01, leastPsi: 0.1 });

export interface FieldDrift {
  /** `attribute.plan`, `feature.calls30d`, `context.page`, `channel`. */
  readonly field: string;
  readonly psi: number;
  /** What it would exceed by chance in a share of windows that all fields together have. */
  readonly critical: number;
  readonly drifted: boolean;
}

const KEEP = 0.8;
const DECILES = 10;
const MAX_VALUES = 30;
const MAX_FIELDS = 300;

interface Field {
  readonly name: string;
  /** While the first window is being collected. */
  numbers: number[] | null;
  /** Upper bounds of all bins but the last; null: values are texts. */
  edges: Float64Array | null;
  readonly places: Map<string, number>;
  reference: Float64Array;
  window: Float64Array;
}

export class InputDrift {
  readonly #options: InputDriftOptions;
  readonly #fields = new Map<string, Field>();
  #rows = 0;
  #windows = 0;
  /** Σ w n and Σ w² n of the reference's windows. */
  #mass = 0;
  #massOfSquares = 0;
  #latest: readonly FieldDrift[] = [];
  alarms = 0;

  constructor(options: Partial<InputDriftOptions> = {}) {
    this.#options = { ...DEFAULT_INPUT_OPTIONS, ...options };
  }

  /** Of the last complete window, the largest first; empty before the second one. */
  get latest(): readonly FieldDrift[] {
    return this.#latest;
  }

  /** @returns the drifted fields when this row completes a window in which there are any; else nothing */
  observe({ view, context, channel, placement, direction }: ScoringRequest): readonly FieldDrift[] {
    for (const name in view.attributes) this.#count('attribute.', name, view.attributes[name]!);
    for (const name in context) this.#count('context.', name, context[name]!);
    for (let i = 0; i < view.featureNames.length; i++) this.#count('feature.', view.featureNames[i]!, view.features[i]!);
    this.#count('', 'channel', channel);
    this.#count('', 'direction', direction);
    if (placement !== null) this.#count('', 'placement', placement);
    return ++this.#rows < this.#options.windowRows ? [] : this.#close();
  }

  #count(prefix: string, name: string, value: AttributeValue): void {
    const key = prefix === '' ? name : prefix + name;
    let field = this.#fields.get(key);
    if (field === undefined) {
      if (this.#fields.size >= MAX_FIELDS) return;
      const width = MAX_VALUES + 2;
      field = {
        name: key,
        numbers: null,
        edges: null,
        places: new Map(),
        reference: new Float64Array(width),
        window: new Float64Array(width),
      };
      // What nobody had before is compared with its absence.
      if (typeof value === 'number' && this.#windows === 0) field.numbers = [];
      this.#fields.set(key, field);
    }
    if (field.numbers !== null) {
      if (typeof value === 'number' && !Number.isNaN(value)) field.numbers.push(value);
      return;
    }
    const bin = binOf(field, value, this.#windows === 0);
    field.window[bin] = field.window[bin]! + 1;
  }

  #close(): readonly FieldDrift[] {
    const rows = this.#rows;
    const first = this.#windows === 0;
    const found: FieldDrift[] = [];
    for (const field of this.#fields.values()) {
      if (field.numbers !== null) binNumbers(field);
      const absent = rows - field.window.reduce((a, b) => a + b, 0);
      field.window[ABSENT] = Math.max(0, absent);
      if (!first) found.push(this.#judge(field, rows));
      for (let i = 0; i < field.window.length; i++) field.reference[i] = KEEP * field.reference[i]! + field.window[i]!;
      field.window.fill(0);
    }
    this.#mass = KEEP * this.#mass + rows;
    this.#massOfSquares = KEEP * KEEP * this.#massOfSquares + rows;
    this.#windows++;
    this.#rows = 0;
    if (!first) this.#latest = found.toSorted((a, b) => b.psi - a.psi);
    const drifted = this.#latest.filter((field) => field.drifted);
    if (!first) this.alarms += drifted.length;
    return first ? [] : drifted;
  }

  #judge(field: Field, rows: number): FieldDrift {
    // A field that came later was absent from the reference until then.
    const missing = this.#mass - field.reference.reduce((a, b) => a + b, 0);
    if (missing > 0) field.reference[ABSENT] = field.reference[ABSENT]! + missing;
    const { psi, bins } = psiOf(field.reference, field.window);
    const level = this.#options.falseAlarmsPerWindow / this.#fields.size;
    const n = this.#mass ** 2 / this.#massOfSquares;
    const critical = bins < 2 ? Infinity : (1 / n + 1 / rows) * chiSquareQuantile(bins - 1, level);
    return { field: field.name, psi, critical, drifted: psi > critical && psi >= this.#options.leastPsi };
  }
}

const ABSENT = MAX_VALUES + 1;
const OTHER = MAX_VALUES;

const binOf = (field: Field, value: AttributeValue, learning: boolean): number => {
  const { edges, places } = field;
  if (edges !== null) {
    const x = Number(value);
    if (Number.isNaN(x)) return ABSENT;
    let bin = 0;
    while (bin < edges.length && x > edges[bin]!) bin++;
    return bin;
  }
  const text = String(value);
  const place = places.get(text);
  if (place !== undefined) return place;
  if (!learning || places.size >= MAX_VALUES) return OTHER;
  places.set(text, places.size);
  return places.size - 1;
};

/** Deciles of the first window, without repetitions: a number of few values has a bin for each. */
const binNumbers = (field: Field): void => {
  const sorted = Float64Array.from(field.numbers!).toSorted();
  const edges: number[] = [];
  for (let k = 1; k < DECILES; k++) {
    const edge = sorted[Math.floor((sorted.length * k) / DECILES)];
    if (edge !== undefined && edge !== edges.at(-1) && edge < sorted.at(-1)!) edges.push(edge);
  }
  field.edges = Float64Array.from(edges);
  field.numbers = null;
  for (const x of sorted) {
    const bin = binOf(field, x, false);
    field.window[bin] = field.window[bin]! + 1;
  }
};

/** Half a row is added to each bin that either side has: no logarithm of 0. */
const psiOf = (reference: Float64Array, window: Float64Array): { readonly psi: number; readonly bins: number } => {
  let bins = 0;
  let n = 0;
  let m = 0;
  for (let i = 0; i < reference.length; i++) {
    if (!(reference[i]! + window[i]! > 0)) continue;
    bins++;
    n += reference[i]!;
    m += window[i]!;
  }
  let psi = 0;
  for (let i = 0; i < reference.length; i++) {
    if (!(reference[i]! + window[i]! > 0)) continue;
    const p = (reference[i]! + 0.5) / (n + 0.5 * bins);
    const q = (window[i]! + 0.5) / (m + 0.5 * bins);
    psi += (q - p) * Math.log(q / p);
  }
  return { psi, bins };
};

/** Upper quantile, by Wilson & Hilferty (1931). */
const chiSquareQuantile = (degrees: number, level: number): number => {
  const z = upperNormalQuantile(level);
  const c = 2 / (9 * degrees);
  return degrees * (1 - c + z * Math.sqrt(c)) ** 3;
};

/** Abramowitz & Stegun 26.2.23: to 4.5e-4. */
const upperNormalQuantile = (level: number): number => {
  const t = Math.sqrt(-2 * Math.log(Math.min(0.5, level)));
  return t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
};
