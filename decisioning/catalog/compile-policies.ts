/** Compiles policies.yaml: the contact policy's rules, levers and context weights. */
import { DAY_MS } from '#contracts';
import type { Setting } from './compile-catalog.ts';
import { compileCheck, refuseUncountable } from './compile-actions.ts';
import type { ActionRule } from './compile-actions.ts';
import type { ConditionPool } from './condition-pool.ts';
import type { Reader } from './reader.ts';
import type { CatalogAction, Direction, Reach, Rule, RuleKind, Weight } from './types.ts';

interface Compiling {
  readonly setting: Setting;
  readonly pool: ConditionPool;
  readonly actions: readonly CatalogAction[];
}

const KINDS = ['limit', 'coolDown', 'quietHours', 'require', 'pending'] as const;
const REACH = ['groups', 'topics', 'actions', 'channels', 'directions'] as const;
const EVERYWHERE: Reach = { groups: null, topics: null, actions: null, channels: null, directions: null };

export const compileRules = (scope: Compiling, policies: Reader | null, actionRules: readonly ActionRule[]): readonly Rule[] => {
  const rules: Rule[] = [];
  const ids = new Set<string>();
  for (const reader of policies?.items('contactPolicy') ?? []) {
    reader.only(['id', 'reason', 'appliesTo', 'defer', ...KINDS], 'a rule of the contact policy');
    const id = reader.text('id');
    if (ids.has(id)) reader.fault('id', `the id '${id}' is used twice`);
    ids.add(id);
    const reach = compileReach(scope, reader);
    const rule = compileKind(scope, reader);
    const deferMs = reader.has('defer') ? reader.duration('defer', 0) : null;
    if (deferMs !== null && rule !== null && rule.kind !== 'require' && rule.kind !== 'pending')
      reader.fault('defer', `'defer' goes with require and pending; a message that ${rule.kind} withholds waits until that ends`);
    if (rule?.kind === 'limit' && (reach.directions?.includes('outbound') ?? true)) refuseUncountable(reader.child('limit')!, rule.max);
    if (rule !== null)
      rules.push({ index: rules.length, id, reason: reader.text('reason'), reach, rule, deferMs, mask: maskOf(scope, reach) });
  }
  for (const { action, reason, rule } of actionRules) {
    const reach = { ...EVERYWHERE, actions: [action] };
    rules.push({ index: rules.length, id: `${action}:${rule.kind}`, reason, reach, rule, deferMs: null, mask: maskOf(scope, reach) });
  }
  return rules;
};

export const compileWeights = (scope: Compiling, policies: Reader, section: 'levers' | 'contextWeights'): readonly Weight[] =>
  policies.items(section).map((reader) => {
    reader.only(['id', 'weight', 'when', 'appliesTo'], `an entry of ${section}`);
    const reach = compileReach(scope, reader);
    const checks = reader.has('when') ? compileCheck(scope, reader.raw('when'), null, (message) => reader.fault('when', message)) : [];
    if (section === 'contextWeights' && !reader.has('when')) reader.fault(null, "'when' is required: a weight without it is a lever");
    return {
      id: reader.text('id'),
      weight: reader.number('weight', undefined, { min: 0, max: 1_000 }),
      condition: checks[0]?.condition ?? -1,
      reach,
      mask: maskOf(scope, reach),
    };
  });

const compileKind = (scope: Compiling, reader: Reader): RuleKind | null => {
  const kinds = KINDS.filter((kind) => reader.has(kind));
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    reader.fault(null, `a rule has exactly one of ${KINDS.join(', ')}`);
    return null;
  }
  switch (kind) {
    case 'require': {
      const [check] = compileCheck(scope, reader.raw('require'), reader.text('reason', ''), (message) => reader.fault('require', message));
      return check === undefined ? null : { kind, check };
    }
    case 'pending':
      return reader.flag('pending', true) ? { kind } : null;
    default: {
      const body = reader.child(kind);
      return body === null ? null : compileBody(kind, body);
    }
  }
};

const compileBody = (kind: 'limit' | 'coolDown' | 'quietHours', reader: Reader): RuleKind => {
  const days = (): number => reader.number('days', undefined, { min: 0 }) * DAY_MS;
  switch (kind) {
    case 'limit':
      reader.only(['max', 'days', 'per'], 'limit');
      return {
        kind,
        max: reader.number('max', undefined, { min: 0 }),
        windowMs: days(),
        per: reader.oneOf('per', ['customer', 'channel', 'group', 'topic', 'action'], 'customer'),
      };
    case 'coolDown':
      reader.only(['after', 'days', 'per'], 'coolDown');
      return {
        kind,
        after: reader.oneOf('after', ['rejected', 'shown', 'accepted']),
        windowMs: days(),
        per: reader.oneOf('per', ['action', 'topic'], 'action'),
      };
    case 'quietHours':
      reader.only(['from', 'to'], 'quietHours');
      return { kind, from: reader.number('from', undefined, { min: 0, max: 24 }), to: reader.number('to', undefined, { min: 0, max: 24 }) };
  }
};

const compileReach = (scope: Compiling, reader: Reader): Reach => {
  const child = reader.child('appliesTo');
  if (child === null) return EVERYWHERE;
  child.only(REACH, 'appliesTo');
  const { setting } = scope;
  return {
    groups: child.names('groups', setting.groups, 'group'),
    topics: child.names('topics', setting.topics, 'topic'),
    actions: child.names(
      'actions',
      scope.actions.map((action) => action.id),
      'action',
    ),
    channels: child.names('channels', setting.channelNames, 'channel'),
    directions: child.names('directions', ['inbound', 'outbound'], 'direction') as readonly Direction[] | null,
  };
};

const maskOf = (scope: Compiling, reach: Reach): Uint8Array =>
  Uint8Array.from(scope.actions, (action) =>
    (reach.groups?.includes(action.group) ?? true) &&
    (reach.topics?.includes(action.topic) ?? true) &&
    (reach.actions?.includes(action.id) ?? true)
      ? 1
      : 0,
  );
