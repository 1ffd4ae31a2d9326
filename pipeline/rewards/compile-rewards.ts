/** Reads rewards.yaml of a project into rules, or names every mistake with file and line. */
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '#contracts';
import { ProjectError, compileEventTypes } from '#project';
import type { Fault, Project, ProjectDocument } from '#project';
import type { ChannelRule, OutcomeRule, RecogniseRule, Rewards, Worth } from './rewards.ts';

const FILE = 'rewards.yaml';
const NO_WORTH: Worth = { fixed: 0, fraction: 0, amount: 0 };
const UNITS: Readonly<Record<string, number>> = { s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };
type Path = readonly (string | number)[];
type Fields = Readonly<Record<string, unknown>>;

/** Throws ProjectError with all faults at once. A project without rewards.yaml gets the outcomes of the API with plain worths. */
export const compileRewards = (project: Project): Rewards => {
  const document = project.document(FILE);
  if (document === null) return PLAIN_REWARDS;
  const reader = createReader(document);
  const root = reader.fields(document.value, [], ['combine', 'outcomes', 'channels', 'default', 'recognise']);
  const combine = reader.oneOf(root['combine'] ?? 'max', ['combine'], ['last', 'max', 'sum'] as const);
  const outcomes = readOutcomes(reader, root['outcomes']);
  const channels = new Map<string, ChannelRule>();
  for (const [name, value] of Object.entries(reader.fields(root['channels'] ?? {}, ['channels']))) {
    channels.set(name, readChannel(reader, value, ['channels', name], outcomes));
  }
  const otherChannel = readChannel(reader, root['default'] ?? { window: '3d' }, ['default'], outcomes);
  const recognise = readRecognise(reader, root['recognise'] ?? [], outcomes, project);
  if (reader.faults.length > 0) throw new ProjectError(reader.faults);
  return { combine, outcomes, channels, otherChannel, recognise };
};

const readOutcomes = (reader: Reader, value: unknown): ReadonlyMap<string, OutcomeRule> => {
  const outcomes = new Map(PLAIN_REWARDS.outcomes);
  for (const [name, source] of Object.entries(reader.fields(value ?? {}, ['outcomes']))) {
    const at = ['outcomes', name];
    const fields = reader.fields(source, at, ['target', 'worth', 'neutral', 'voids', 'shown', 'rejects']);
    const neutral = reader.flag(fields['neutral'] ?? false, [...at, 'neutral']);
    const voids = reader.flag(fields['voids'] ?? false, [...at, 'voids']);
    const target = fields['target'] ?? null;
    if (target !== null && target !== 0 && target !== 1)
      reader.fault([...at, 'target'], `target of ${name} must be 0, 1 or null, not ${JSON.stringify(target)}`);
    if (neutral && (fields['worth'] !== undefined || target !== null)) {
      reader.fault(at, `${name} is neutral: it can have neither target nor worth`);
    }
    if (voids && (fields['worth'] !== undefined || target !== null)) {
      reader.fault(at, `${name} voids the showing: it can have neither target nor worth`);
    }
    const shown = reader.flag(fields['shown'] ?? true, [...at, 'shown']);
    if (!shown && target !== null)
      reader.fault([...at, 'target'], `${name} says that nothing was shown: it teaches nothing, so its target must be left out`);
    outcomes.set(name, {
      name,
      target: target as 0 | 1 | null,
      worth: readWorth(reader, fields['worth'] ?? {}, [...at, 'worth']),
      neutral: neutral || voids,
      voids,
      shown,
      rejects: reader.flag(fields['rejects'] ?? false, [...at, 'rejects']),
    });
  }
  return outcomes;
};

const readWorth = (reader: Reader, value: unknown, at: Path): Worth => {
  const fields = reader.fields(value, at, ['fixed', 'fraction', 'amount']);
  return {
    fixed: reader.number(fields['fixed'] ?? 0, [...at, 'fixed']),
    fraction: reader.number(fields['fraction'] ?? 0, [...at, 'fraction']),
    amount: reader.number(fields['amount'] ?? 0, [...at, 'amount']),
  };
};

const readChannel = (reader: Reader, value: unknown, at: Path, outcomes: ReadonlyMap<string, OutcomeRule>): ChannelRule => {
  const fields = reader.fields(value, at, ['window', 'cost', 'implies']);
  const implies = fields['implies'] ?? null;
  if (implies !== null && (typeof implies !== 'string' || outcomes.get(implies)?.shown !== true)) {
    reader.fault([...at, 'implies'], `implies names no outcome that is shown: ${JSON.stringify(implies)}`);
  }
  return {
    windowMs: reader.duration(fields['window'], [...at, 'window']),
    cost: reader.number(fields['cost'] ?? 0, [...at, 'cost']),
    implies: implies as string | null,
  };
};

const readRecognise = (
  reader: Reader,
  value: unknown,
  outcomes: ReadonlyMap<string, OutcomeRule>,
  project: Project,
): ReadonlyMap<string, readonly RecogniseRule[]> => {
  const byEvent = new Map<string, RecogniseRule[]>();
  if (!Array.isArray(value)) {
    reader.fault(['recognise'], 'recognise must be a list');
    return byEvent;
  }
  const types = project.document('events.yaml') === null ? null : compileEventTypes(project);
  value.forEach((source: unknown, index) => {
    const at = ['recognise', index];
    const fields = reader.fields(source, at, ['event', 'action', 'amount', 'within', 'outcome', 'groups']);
    const event = reader.text(fields['event'], [...at, 'event']);
    const outcome = reader.text(fields['outcome'], [...at, 'outcome']);
    if (types !== null && event !== '' && types.get(event) === null) reader.fault([...at, 'event'], `events.yaml has no event ${event}`);
    const known = outcomes.get(outcome);
    if (outcome !== '' && (known === undefined || known.target === null))
      reader.fault([...at, 'outcome'], `${outcome} is not an outcome with a target`);
    const groups = fields['groups'] ?? [];
    if (!Array.isArray(groups) || groups.some((group) => typeof group !== 'string'))
      reader.fault([...at, 'groups'], 'groups must be a list of names');
    const rule: RecogniseRule = {
      event,
      actionField: reader.text(fields['action'], [...at, 'action']),
      amountField: fields['amount'] === undefined ? null : reader.text(fields['amount'], [...at, 'amount']),
      withinMs: reader.duration(fields['within'], [...at, 'within']),
      outcome,
      groups: groups as string[],
    };
    byEvent.set(event, [...(byEvent.get(event) ?? []), rule]);
  });
  return byEvent;
};

interface Reader {
  readonly faults: readonly Fault[];
  fault(at: Path, message: string): void;
  /** A mapping with none but the known keys (any, when they are left out). */
  fields(value: unknown, at: Path, known?: readonly string[]): Fields;
  oneOf<T extends string>(value: unknown, at: Path, known: readonly T[]): T;
  number(value: unknown, at: Path): number;
  flag(value: unknown, at: Path): boolean;
  text(value: unknown, at: Path): string;
  /** "90s", "15m", "6h", "14d"; ms. */
  duration(value: unknown, at: Path): number;
}

const createReader = (document: ProjectDocument): Reader => {
  const faults: Fault[] = [];
  const fault = (at: Path, message: string): void => void faults.push(document.fault(at, message));
  const want = <T>(ok: boolean, value: unknown, at: Path, what: string, otherwise: T): T => {
    if (ok) return value as T;
    fault(at, `${at.join('.')} must be ${what}, not ${JSON.stringify(value) ?? 'left out'}`);
    return otherwise;
  };
  return {
    faults,
    fault,
    fields(value, at, known) {
      const fields = want<Fields>(
        typeof value === 'object' && value !== null && !Array.isArray(value),
        value,
        at.length === 0 ? [FILE] : at,
        'a mapping',
        {},
      );
      for (const key of Object.keys(fields)) {
        if (known !== undefined && !known.includes(key)) fault([...at, key], `unknown key ${key}; known: ${known.join(', ')}`);
      }
      return fields;
    },
    oneOf: (value, at, known) => want(known.includes(value as never), value, at, `one of ${known.join(', ')}`, known[0]!),
    number: (value, at) => want(typeof value === 'number' && Number.isFinite(value), value, at, 'a number', 0),
    flag: (value, at) => want(typeof value === 'boolean', value, at, 'true or false', false),
    text: (value, at) => want(typeof value === 'string' && value !== '', value, at, 'a name', ''),
    duration(value, at) {
      const match = /^(\d+)(s|m|h|d)$/.exec(typeof value === 'string' ? value : '');
      want(match !== null && Number(match[1]) > 0, value, at, 'a duration such as 90s, 15m, 6h or 14d', null);
      return match === null ? DAY_MS : Number(match[1]) * UNITS[match[2]!]!;
    },
  };
};

const plain = (name: string, rule: Partial<OutcomeRule>): [string, OutcomeRule] => [
  name,
  { name, target: null, worth: NO_WORTH, neutral: false, voids: false, shown: true, rejects: false, ...rule },
];

/** The outcomes of the API, before a project says more. */
export const PLAIN_REWARDS: Rewards = {
  combine: 'max',
  outcomes: new Map([
    plain('impression', { target: 0 }),
    plain('clicked', { target: 0 }),
    plain('accepted', { target: 1, worth: { ...NO_WORTH, fraction: 1 } }),
    plain('converted', { target: 1, worth: { ...NO_WORTH, fraction: 1 } }),
    plain('rejected', { target: 0, rejects: true }),
    plain('later', { neutral: true }),
    plain('complaint', { target: 0, rejects: true }),
    plain('optOut', { target: 0, rejects: true }),
    plain('undelivered', { neutral: true, shown: false }),
    plain('alreadyHas', { neutral: true, voids: true, rejects: true }),
    plain('neverOffered', { neutral: true, voids: true, shown: false }),
  ]),
  channels: new Map(),
  otherChannel: { windowMs: 3 * DAY_MS, cost: 0, implies: null },
  recognise: new Map(),
};
