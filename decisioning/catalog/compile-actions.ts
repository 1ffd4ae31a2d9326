/** Compiles actions/*.yaml: each file is a mapping with a list `actions`, and `defaults` for those in the file. */
import type { ActionProfile, AttributeValue } from '#contracts';
import type { Fault, Project } from '#project';
import { DAY_MS, MAX_CONTACTS } from '#contracts';
import type { Setting } from './compile-catalog.ts';
import type { ConditionPool } from './condition-pool.ts';
import { createReader, describe } from './reader.ts';
import type { Reader } from './reader.ts';
import { parseTemplate } from './templates.ts';
import type { CatalogAction, Check, Direction, RuleKind, Template, Treatment } from './types.ts';

/** A limit or cool-down that an action declares for itself. */
export interface ActionRule {
  readonly action: string;
  readonly reason: string;
  readonly rule: RuleKind;
}

interface Compiling {
  readonly project: Project;
  readonly setting: Setting;
  readonly pool: ConditionPool;
  readonly faults: Fault[];
}

const FIELDS = [
  'id',
  'name',
  'description',
  'group',
  'topic',
  'value',
  'cost',
  'prior',
  'explore',
  'mandatory',
  'critical',
  'snooze',
  'default',
  'start',
  'end',
  'features',
  'eligibility',
  'applicability',
  'suitability',
  'limits',
  'coolDown',
  'treatments',
];
const DEFAULT_PRIOR = 0.05;
const DEFAULT_SNOOZE_MS = 3 * DAY_MS;
const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

export const compileActions = (scope: Compiling): { actions: readonly CatalogAction[]; actionRules: readonly ActionRule[] } => {
  const actions: CatalogAction[] = [];
  const actionRules: ActionRule[] = [];
  const seen = new Map<string, string>();
  for (const document of scope.project.documents('actions')) {
    const root = createReader(document, [], document.value ?? {}, scope.faults);
    if (root === null) continue;
    root.only(['actions', 'defaults'], document.path);
    const defaults = root.child('defaults');
    defaults?.only(['eligibility', 'applicability', 'suitability'], 'defaults');
    if (root.items('actions').length === 0) root.fault('actions', "'actions' must be a list with at least one action");
    for (const reader of root.items('actions')) {
      const id = reader.text('id');
      const before = seen.get(id);
      if (before !== undefined) reader.fault('id', `the id '${id}' is already used by ${before}`);
      else if (id !== '' && !ID.test(id)) reader.fault('id', `the id ${describe(id)} must be letters, digits, '-', '_' or '.', at most 64`);
      seen.set(id, document.path);
      const action = compileAction(scope, reader, defaults, actions.length);
      actions.push(action);
      actionRules.push(
        ...compileOwnRules(
          reader,
          id,
          action.treatments.some(({ direction }) => direction === 'outbound'),
        ),
      );
    }
  }
  if (actions.length === 0) scope.faults.push({ file: 'actions/', line: 1, column: 1, message: 'no action is defined' });
  return { actions, actionRules };
};

const compileAction = (scope: Compiling, reader: Reader, defaults: Reader | null, index: number): CatalogAction => {
  const { setting } = scope;
  reader.only(FIELDS, 'an action');
  const id = reader.text('id');
  const group = known(reader, 'group', setting.groups);
  const topic = known(reader, 'topic', setting.topics);
  const cost = reader.number('cost', 0, { min: 0 });
  const isDefault = reader.flag('default', false);
  const checks = (stage: 'eligibility' | 'applicability' | 'suitability'): Check[] => [
    ...(defaults === null ? [] : compileChecks(scope, defaults, stage)),
    ...compileChecks(scope, reader, stage),
  ];
  const eligibility = checks('eligibility');
  const applicability = checks('applicability');
  const suitability = checks('suitability');
  const worth = compileValue(scope, reader, cost);
  if (isDefault) {
    const closed = [...eligibility, ...applicability, ...suitability].find(
      (check) => scope.pool.conditions[check.condition]?.readsCustomer,
    );
    if (closed !== undefined) {
      reader.fault(
        'default',
        `a default action is for customers whose state cannot be read, but its condition '${closed.source}' reads that state`,
      );
    }
    if (worth.valueReadsCustomer) reader.fault('value', 'the value of a default action must not read the customer');
  }
  const profile: ActionProfile = { id, features: { group, topic, ...compileFeatures(reader) } };
  const treatments = compileTreatments(scope, reader);
  if (treatments.length === 0) reader.fault(reader.has('treatments') ? 'treatments' : null, `the action '${id}' has no treatment`);
  return {
    index,
    id,
    name: reader.text('name'),
    description: reader.text('description', ''),
    group,
    topic,
    ...worth,
    cost,
    prior: reader.number('prior', DEFAULT_PRIOR, { min: 0, max: 1 }),
    explore: reader.flag('explore', true),
    mandatory: reader.flag('mandatory', false),
    critical: reader.flag('critical', false),
    snoozeMs: reader.duration('snooze', DEFAULT_SNOOZE_MS),
    isDefault,
    startMs: compileDate(reader, 'start', -Infinity),
    endMs: compileDate(reader, 'end', Infinity),
    eligibility,
    applicability,
    suitability,
    treatments,
    profile,
    scope: { ...profile.features, id, group, topic, ...(worth.value === null ? {} : { value: worth.value }) },
  };
};

const known = (reader: Reader, key: string, names: readonly string[]): string => {
  const text = reader.text(key);
  if (text !== '') reader.names(key, names, key);
  return text;
};

const compileValue = (
  scope: Compiling,
  reader: Reader,
  cost: number,
): Pick<CatalogAction, 'value' | 'valueExpression' | 'valueReadsCustomer'> => {
  const raw = reader.raw('value');
  if (typeof raw !== 'string') return { value: reader.number('value') - cost, valueExpression: null, valueReadsCustomer: false };
  const expression = scope.pool.expression(raw);
  if (typeof expression === 'string') {
    reader.fault('value', expression);
    return { value: 0, valueExpression: null, valueReadsCustomer: false };
  }
  return { value: null, valueExpression: expression.run, valueReadsCustomer: expression.readsCustomer };
};

const compileChecks = (scope: Compiling, reader: Reader, stage: string): Check[] => {
  const list = reader.raw(stage);
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) {
    reader.fault(stage, `'${stage}' must be a list of conditions`);
    return [];
  }
  return (list as unknown[]).flatMap((item, i) => {
    const fault = (message: string): void => reader.faultAt([stage, i], message);
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return compileCheck(scope, item, null, fault);
    const { when, reason, ...rest } = item as Record<string, unknown>;
    for (const key of Object.keys(rest)) reader.faultAt([stage, i, key], `unknown field '${key}'; a condition has when, reason`);
    return compileCheck(scope, when, typeof reason === 'string' ? reason : null, fault);
  });
};

export const compileCheck = (
  scope: { readonly pool: ConditionPool },
  source: unknown,
  reason: string | null,
  fault: (message: string) => void,
): Check[] => {
  const condition = scope.pool.condition(source);
  if (typeof condition === 'string') {
    fault(condition);
    return [];
  }
  return [{ condition, source: String(source), reason: reason ?? `${String(source)} is not true.` }];
};

const compileFeatures = (reader: Reader): Record<string, AttributeValue> => {
  const child = reader.child('features');
  const features: Record<string, AttributeValue> = {};
  for (const key of child?.keys ?? []) {
    const value = child!.raw(key);
    if (typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value)))
      features[key] = value;
    else child!.fault(key, `a feature must be text, number or boolean, not ${describe(value)}`);
  }
  return features;
};

const compileDate = (reader: Reader, key: string, fallback: number): number => {
  const raw = reader.raw(key);
  if (raw === undefined || raw === null) return fallback;
  const ms = typeof raw === 'string' && /^\d{4}-\d\d-\d\d/.test(raw) ? Date.parse(raw) : NaN;
  if (Number.isNaN(ms)) reader.fault(key, `'${key}' must be a date such as 2027-01-31 (UTC) or 2027-01-31T18:00:00Z, not ${describe(raw)}`);
  return ms;
};

/** More contacts than the state keeps cannot be counted. */
export const refuseUncountable = (limit: Reader, max: number): void => {
  if (max > MAX_CONTACTS)
    limit.fault('max', `a limit of messages may be ${MAX_CONTACTS} at most, not ${max}: so many contacts are kept of a customer`);
};

const compileOwnRules = (reader: Reader, action: string, isOutbound: boolean): ActionRule[] => {
  const rules: ActionRule[] = [];
  for (const limit of reader.items('limits')) {
    limit.only(['max', 'days'], 'a limit');
    const max = limit.number('max', undefined, { min: 1 });
    if (isOutbound) refuseUncountable(limit, max);
    const days = limit.number('days', undefined, { min: 0 });
    rules.push({
      action,
      reason: `Shown ${max} time${max === 1 ? '' : 's'} in the last ${days} days already.`,
      rule: { kind: 'limit', max, windowMs: days * DAY_MS, per: 'action' },
    });
  }
  const coolDown = reader.child('coolDown');
  coolDown?.only(['rejectedDays', 'acceptedDays', 'shownDays'], 'coolDown');
  for (const after of ['rejected', 'accepted', 'shown'] as const) {
    if (coolDown?.has(`${after}Days`) !== true) continue;
    const days = coolDown.number(`${after}Days`, undefined, { min: 0 });
    rules.push({
      action,
      reason: `${after[0]!.toUpperCase()}${after.slice(1)} less than ${days} days ago.`,
      rule: { kind: 'coolDown', after, windowMs: days * DAY_MS, per: 'action' },
    });
  }
  return rules;
};

const compileTreatments = (scope: Compiling, action: Reader): Treatment[] => {
  const places = new Set<string>();
  const ids = new Set<string>();
  return action.items('treatments').flatMap((reader) => {
    reader.only(['id', 'channel', 'direction', 'placement', 'flowId', 'content', 'translations'], 'a treatment');
    const content = compileContent(scope, reader, 'content');
    const translations = compileTranslations(scope, reader, Object.keys(content));
    const channels = reader.names('channel', scope.setting.channelNames, 'channel');
    if (channels === null) reader.fault(null, "'channel' is required: a channel, or a list of them");
    return (channels ?? []).map((channel) => {
      const treatment = compileTreatment(scope, reader, channel, { content, translations });
      const place = `${channel}/${treatment.direction}/${treatment.placement ?? 'any placement'}`;
      if (places.has(place)) reader.fault('channel', `a second treatment for ${place}`);
      if (ids.has(treatment.id))
        reader.fault(reader.has('id') ? 'id' : null, `the treatment id '${treatment.id}' is used twice in this action`);
      places.add(place);
      ids.add(treatment.id);
      return treatment;
    });
  });
};

const compileTreatment = (
  scope: Compiling,
  reader: Reader,
  channel: string,
  texts: Pick<Treatment, 'content' | 'translations'>,
): Treatment => {
  const { channels, placements } = scope.setting;
  const directions = channels.get(channel)?.directions ?? ['inbound', 'outbound'];
  const usual = directions[0] ?? 'inbound';
  const direction = reader.oneOf<Direction>('direction', ['inbound', 'outbound'], usual);
  if (!directions.includes(direction)) reader.fault('direction', `the channel '${channel}' is not ${direction}`);
  const placement = reader.has('placement') ? reader.text('placement') : null;
  if (placement !== null && placements.size > 0) reader.names('placement', [...placements.keys()], 'placement');
  const suffix = `${direction === usual ? '' : `-${direction}`}${placement === null ? '' : `-${placement}`}`;
  const id = reader.has('id') ? reader.text('id') : `${channel}${suffix}`;
  return { id, channel, direction, placement, ...texts, flowId: reader.has('flowId') ? reader.text('flowId') : null };
};

const LANGUAGE = /^[a-z]{2,3}(-[a-z0-9]{2,8})*$/i;

const compileTranslations = (scope: Compiling, reader: Reader, names: readonly string[]): Treatment['translations'] => {
  const child = reader.has('translations') ? reader.child('translations') : null;
  const translations = new Map<string, Treatment['content']>();
  for (const language of child?.keys ?? []) {
    if (!LANGUAGE.test(language)) child!.fault(language, `'${language}' is not a language such as de or pt-BR`);
    const texts = compileContent(scope, child!, language);
    for (const name of Object.keys(texts))
      if (!names.includes(name)) child!.fault(language, `'${name}' is no text of this treatment's content`);
    translations.set(language.toLowerCase(), texts);
  }
  return translations;
};

const compileContent = (scope: Compiling, reader: Reader, key: string): Treatment['content'] => {
  const content: Record<string, Template> = {};
  const child = reader.child(key);
  if (child === null) reader.fault(null, `'${key}' is required: a mapping such as { title, body }`);
  for (const key of child?.keys ?? []) {
    const parsed = parseTemplate(child!.text(key), (root, field) => scope.pool.field(root, field));
    if (typeof parsed === 'string') child!.fault(key, parsed);
    else content[key] = parsed;
  }
  return content;
};
