/** Reads encoder.yaml of a project into an EncoderSpec; every fault with its file and line. */
import { ProjectError, type Fault, type Project } from '#project';
import type { ContextField, Cross, EncoderSpec, FieldEncoding, FieldSource } from './spec.ts';

const FILE = 'encoder.yaml';
const SOURCES: readonly string[] = ['attribute', 'feature', 'context', 'request', 'now'];
const DEFAULT_PRIOR_RATE = 0.05;

/** For the caller's own candidates: nothing is declared. */
export const genericEncoder = (): EncoderSpec => ({ kind: 'generic', dims: 512, priorRate: 0.1 });

/** A project without encoder.yaml gets the generic encoder. Throws ProjectError. */
export const compileEncoder = (project: Project): EncoderSpec => {
  const document = project.document(FILE);
  if (document === null) return genericEncoder();
  const faults: Fault[] = [];
  const root = asObject(document.value);
  const fault = (at: readonly (string | number)[], message: string): void => void faults.push(document.fault(at, message));
  const fields = asArray(root['context']).flatMap((entry, i) => parseField(asObject(entry), (message) => fault(['context', i], message)));
  const crosses = asArray(root['crosses']).flatMap((entry, i) => parseCross(asObject(entry), (message) => fault(['crosses', i], message)));
  const profile = asArray(root['profile']).map(String);
  if (fields.length === 0) fault(['context'], 'context must list at least one field');
  const priorRate = Number(root['priorRate'] ?? DEFAULT_PRIOR_RATE);
  if (!(priorRate > 0 && priorRate < 1)) fault(['priorRate'], `priorRate must lie between 0 and 1, not ${String(root['priorRate'])}`);
  if (faults.length > 0) throw new ProjectError(faults);
  return { kind: 'declared', fields, profile, crosses, priorRate };
};

type Refuse = (message: string) => void;

const parseField = (entry: Record<string, unknown>, refuse: Refuse): ContextField[] => {
  const source = sourceOf(entry, refuse);
  const encoding = parseEncoding(entry, refuse);
  return source === null || encoding === null
    ? []
    : [{ source, name: String(entry[source]), encoding, missing: entry['missing'] === true }];
};

const parseCross = (entry: Record<string, unknown>, refuse: Refuse): Cross[] => {
  const source = sourceOf(entry, refuse);
  if (typeof entry['profile'] !== 'string') refuse('a cross names a field of the action by `profile`');
  const steps = asArray(entry['steps']).map(Number);
  if (steps.some((step, i) => !(step > (steps[i - 1] ?? -Infinity)))) refuse('`steps` must be increasing numbers');
  return source === null
    ? []
    : [{ profile: String(entry['profile']), source, name: String(entry[source]), ...(steps.length > 0 ? { steps } : {}) }];
};

const sourceOf = (entry: Record<string, unknown>, refuse: Refuse): FieldSource | null => {
  const found = SOURCES.filter((source) => typeof entry[source] === 'string');
  if (found.length !== 1) refuse(`name exactly one of ${SOURCES.join(', ')}`);
  return (found[0] as FieldSource | undefined) ?? null;
};

const parseEncoding = (entry: Record<string, unknown>, refuse: Refuse): FieldEncoding | null => {
  const as = entry['as'];
  switch (as) {
    case 'oneHot':
      if (asArray(entry['values']).length === 0) refuse('oneHot needs `values`');
      return { as, values: asArray(entry['values']).map(String) };
    case 'hash':
      return { as, dims: Number(entry['dims'] ?? 8) };
    case 'flag':
      return { as };
    case 'cycle':
      return { as, period: Number(entry['period'] ?? 24) };
    case 'number':
      return {
        as,
        transform: entry['transform'] === 'log1p' || entry['transform'] === 'sqrt' ? entry['transform'] : 'none',
        shift: Number(entry['shift'] ?? 0),
        scale: Number(entry['scale'] ?? 1),
        clip: Number(entry['clip'] ?? 3),
      };
    default:
      refuse(`as must be oneHot, hash, number, cycle or flag, not ${String(as)}`);
      return null;
  }
};

const asObject = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
const asArray = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
