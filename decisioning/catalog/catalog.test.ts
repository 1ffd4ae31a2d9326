import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ProjectError, createProject, loadProject } from '#project';
import { compileCatalog } from './compile-catalog.ts';

const PROJECT = `name: small
channels:
  app: { directions: [inbound] }
  sms: { directions: [outbound] }
groups: { offer: { marketing: true }, care: {} }
topics: [plan, billing]
context: [page]
`;
const ACTIONS = `actions:
  - id: one
    name: One
    group: offer
    topic: plan
    value: 10
    eligibility:
      - when: customer.plan == "basic"
        reason: Not on Basic.
    treatments:
      - channel: app
        content: { title: One }
`;
const POLICIES = `contactPolicy:
  - id: weekly
    reason: Enough.
    limit: { max: 1, days: 7 }
`;
const FEATURES = `attributes:
  plan: { type: string }
features:
  calls30d: { aggregate: count }
`;
const compile = (files: Record<string, string> = {}) =>
  compileCatalog(
    createProject(
      new Map(
        Object.entries({
          'project.yaml': PROJECT,
          'actions/a.yaml': ACTIONS,
          'policies.yaml': POLICIES,
          'features.yaml': FEATURES,
          ...files,
        }),
      ),
    ),
  );
const faultsOf = (files: Record<string, string>): string => {
  try {
    compile(files);
  } catch (error) {
    expect(error).toBeInstanceOf(ProjectError);
    return (error as ProjectError).message;
  }
  return '';
};
const withAction = (from: string | RegExp, to: string): string => faultsOf({ 'actions/a.yaml': ACTIONS.replace(from, to) });

describe('a catalog', () => {
  test('compiles, and its version is the hash of its content', () => {
    const catalog = compile();
    expect(catalog.actions[0]).toMatchObject({ id: 'one', value: 10, explore: true, mandatory: false, isDefault: false });
    expect(catalog.version).toMatch(/^[0-9a-f]{16}$/);
    expect(compile({ 'policies.yaml': POLICIES.replace('1', '2') }).version).not.toBe(catalog.version);
  });

  test('the telco example compiles, with at least 44 actions over five channels', () => {
    const catalog = compileCatalog(loadProject(fileURLToPath(new URL('../../catalog/telco', import.meta.url))));
    expect(catalog.actions.length).toBeGreaterThanOrEqual(44);
    const channels = new Set(catalog.actions.flatMap((action) => action.treatments.map((treatment) => treatment.channel)));
    expect([...channels].toSorted()).toEqual(['app', 'callCenter', 'email', 'sms', 'web']);
    for (const group of ['offer', 'retention', 'service', 'care'])
      expect(catalog.actions.filter((action) => action.group === group).length).toBeGreaterThan(4);
  });

  test('equal conditions are one', () => {
    const two =
      ACTIONS +
      ACTIONS.slice(ACTIONS.indexOf('  - id: one'))
        .replace('id: one', 'id: two')
        .replace('customer.plan == "basic"', 'customer.plan   ==   "basic"');
    expect(compile({ 'actions/a.yaml': two }).conditions.length).toBe(1);
  });
});

describe('outbound', () => {
  const withPolicies = (rule: string): string => faultsOf({ 'policies.yaml': `contactPolicy:\n  - { id: r, reason: R., ${rule} }\n` });

  test('a limit that the state cannot count is refused, where it concerns messages', () => {
    expect(withPolicies('limit: { max: 21, days: 7 }')).toMatch(
      /^policies.yaml:2:\d+: a limit of messages may be 20 at most, not 21: so many contacts are kept of a customer$/,
    );
    expect(withPolicies('limit: { max: 20, days: 7 }')).toBe('');
    expect(withPolicies('limit: { max: 21, days: 7 }, appliesTo: { directions: [inbound] }')).toBe('');
    expect(withAction('    treatments:', '    limits: [{ max: 21, days: 7 }]\n    treatments:')).toBe('');
    expect(
      withAction(
        '    treatments:\n      - channel: app',
        '    limits: [{ max: 21, days: 7 }]\n    treatments:\n      - channel: sms\n        direction: outbound',
      ),
    ).toMatch(/^actions\/a.yaml:10:\d+: a limit of messages may be 20/);
  });

  test('what is required may be waited for; what ends by itself needs no word for it', () => {
    const rules = compile({
      'policies.yaml': 'contactPolicy:\n  - { id: a, reason: R., require: "true", defer: 90m }\n  - { id: b, reason: R., pending: true }\n',
    }).rules;
    expect(rules.map(({ deferMs }) => deferMs)).toEqual([5_400_000, null]);
    expect(withPolicies('quietHours: { from: 21, to: 8 }, defer: 4h')).toMatch(/'defer' goes with require and pending/);
    expect(withPolicies('require: "true", defer: soon')).toMatch(/'defer' must be a duration such as 90s, 30m, 4h or 3d, not 'soon'/);
  });

  test('the bounds of harm have defaults, and a place in policies.yaml', () => {
    expect(compile().backfire).toEqual({
      windowMs: 259_200_000,
      margin: 0.01,
      alpha: 0.05,
      holdout: { first: 0.2, last: 0.05 },
      ramp: 500,
      inboundContact: 0,
    });
    const of = (text: string) => ({ 'policies.yaml': `backfire: ${text}\n` });
    expect(compile(of('{ window: 24h, margin: 0.03, holdout: { first: 0.3 } }')).backfire).toMatchObject({
      windowMs: 86_400_000,
      margin: 0.03,
      holdout: { first: 0.3, last: 0.05 },
    });
    expect(faultsOf(of('{ holdout: { first: 0.05, last: 0.1 } }'))).toMatch(/last must not be above first/);
    expect(faultsOf(of('{ rampp: 3 }'))).toMatch(/unknown field 'rampp'; did you mean 'ramp'/);
  });

  test('an action may be critical, and says when it is offered again to a customer who said "later"', () => {
    expect(compile().actions[0]).toMatchObject({ critical: false, snoozeMs: 259_200_000 });
    const files = { 'actions/a.yaml': ACTIONS.replace('value: 10', 'value: 10\n    critical: true\n    snooze: 7d') };
    expect(compile(files).actions[0]).toMatchObject({ critical: true, snoozeMs: 604_800_000 });
  });
});

describe('a mistake is reported with file, line and column', () => {
  test.each([
    ['an unknown field', 'value: 10', 'value: 10\n    valeu: 3', "actions/a.yaml:7:5: unknown field 'valeu'; did you mean 'value'?"],
    ['a missing field', '    value: 10\n', '', "actions/a.yaml:2:5: 'value' is required"],
    ['a wrong type', 'name: One', 'name: [1]', "actions/a.yaml:3:5: 'name' must be text, not a list"],
    ['an unknown topic', 'topic: plan', 'topic: plann', "actions/a.yaml:5:5: unknown topic 'plann'; did you mean 'plan'?"],
    ['an unknown group', 'group: offer', 'group: offers', "actions/a.yaml:4:5: unknown group 'offers'; did you mean 'offer'?"],
    ['an unknown channel', 'channel: app', 'channel: fax', "actions/a.yaml:11:9: unknown channel 'fax'"],
    ['a condition that does not parse', 'customer.plan == "basic"', 'customer.plan ==', 'actions/a.yaml:8:9: Unexpected'],
    [
      'an attribute that nobody defines',
      'customer.plan ==',
      'customer.plam ==',
      "actions/a.yaml:8:9: 'customer.plam' is not defined; did you mean 'plan'?",
    ],
    [
      'a context field that nobody defines',
      'customer.plan == "basic"',
      'context.pag == "x"',
      "'context.pag' is not defined; did you mean 'page'?",
    ],
    ['a root that does not exist', 'customer.plan', 'custmer.plan', 'custmer'],
    [
      'a template that reads what nobody defines',
      'title: One',
      "title: 'Dear {{customer.plam}}'",
      "actions/a.yaml:12:20: 'customer.plam' is not defined",
    ],
    [
      'a direction that the channel has not',
      'channel: app',
      'channel: app\n        direction: outbound',
      "the channel 'app' is not outbound",
    ],
    ['no treatment', /treatments:[^]*/, 'treatments: []\n', "the action 'one' has no treatment"],
    ['a default action that reads the customer', 'value: 10', 'value: 10\n    default: true', 'reads that state'],
    ['a date that is none', 'value: 10', 'value: 10\n    start: soon', "'start' must be a date"],
    ['a value that reads what nobody defines', 'value: 10', "value: 'features.nothing * 2'", "'features.nothing' is not defined"],
  ])('%s', (_, from, to, expected) => {
    expect(withAction(from, to)).toContain(expected);
  });

  test('an id that is used twice, also in another file', () => {
    expect(faultsOf({ 'actions/b.yaml': ACTIONS })).toBe("actions/b.yaml:2:5: the id 'one' is already used by actions/a.yaml");
  });

  test('YAML that does not parse', () => {
    expect(faultsOf({ 'policies.yaml': 'a: [1,\nb: 2' })).toMatch(/^policies.yaml:\d+:\d+: /);
  });

  test('a policy that names what does not exist, or says two things at once', () => {
    expect(faultsOf({ 'policies.yaml': `${POLICIES}    appliesTo: { actions: [two] }\n` })).toContain(
      "policies.yaml:5:28: unknown action 'two'",
    );
    expect(faultsOf({ 'policies.yaml': `${POLICIES}    pending: true\n` })).toContain('exactly one of limit, coolDown');
    expect(faultsOf({ 'policies.yaml': 'shares: { random: 0.9, untouched: 0.2 }' })).toContain('more than 1 together');
  });

  test.each([
    ['{ policy: thomson }', "policies.yaml:1:16: 'policy' must be one of inverseGap, thompson, neuralLinear, softmax, epsilonGreedy"],
    ['{ policy: softmax, temprature: 1 }', "policies.yaml:1:33: unknown field 'temprature'; did you mean 'temperature'?"],
    ['{ policy: softmax, temperature: 0 }', "'temperature' must lie between 0.000001 and 1000, not 0"],
    ['{ policy: thompson, draws: 100 }', "'draws' must lie between 1000 and 100000, not 100"],
    ['{ policy: thompson, correlation: 0.5 }', "policies.yaml:1:34: 'correlation' needs 'draws' of at least 1000"],
    ['{ policy: epsilonGreedy, epsilon: 2 }', "'epsilon' must lie between 0 and 1, not 2"],
    ['{ floor: -1 }', "'floor' must lie between 0 and 1, not -1"],
    ['{ policy: greedy, base: 3 }', "the exploration policy 'greedy' has policy, floor"],
  ])('an exploration policy that is none: %s', (exploration, expected) => {
    expect(faultsOf({ 'policies.yaml': `exploration: ${exploration}\n` })).toContain(expected);
  });

  test('all of them at once', () => {
    expect(
      faultsOf({ 'actions/a.yaml': ACTIONS.replace('plan\n', 'plann\n').replace('value: 10', 'value: ten of them +') }).split('\n').length,
    ).toBe(2);
  });
});
