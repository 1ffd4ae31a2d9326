/** triggers.yaml: what is compiled, what is refused and where, and what an event of a customer makes of it. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#contracts';
import { ProjectError, compileEventTypes, createProject, loadProject } from '#project';
import { compileCatalog, compileTriggers, decide, gateVerdict, matchTriggers, planOfTrigger } from '../index.ts';
import { NOW, createInput, createView } from '../testing/fixtures.ts';

const FILES = {
  'project.yaml': `name: t
channels: { app: { directions: [inbound] }, sms: { directions: [outbound] } }
groups: [offer, service]
topics: [plan, bill]
context: [reason]
`,
  'actions/a.yaml': `actions:
  - { id: a, name: A, group: offer, topic: plan, value: 1, treatments: [{ channel: sms, direction: outbound, content: { body: T } }] }
  - { id: b, name: B, group: service, topic: bill, value: 1, treatments: [{ channel: app, content: { body: T } }] }
`,
  'events.yaml': 'events:\n  bill.issued: { data: { amount: number, overage: "number?" } }\n  usage.high: { data: {} }\n',
  'features.yaml': 'attributes: { plan: { type: string } }\nfeatures: { calls30d: { aggregate: count, event: usage.high, window: 30d } }\n',
};
const compile = (triggers: string | null) => {
  const project = createProject(new Map(Object.entries({ ...FILES, ...(triggers === null ? {} : { 'triggers.yaml': triggers }) })));
  return compileTriggers(project, compileCatalog(project), compileEventTypes(project));
};
const faultsOf = (triggers: string): string => {
  try {
    compile(triggers);
  } catch (error) {
    if (error instanceof ProjectError) return error.message;
    throw error;
  }
  return '';
};
const ALL = `triggers:
  - id: bill-shock
    event: bill.issued
    when: event.data.overage > 20 && customer.plan != "unlimited" && features.calls30d < 3
    scope: { topics: [bill], actions: [a] }
    delay: 2h
    context: { reason: billing }
  - { id: every-bill, event: bill.issued, channel: sms, debounce: 30m, delay: 10m, expire: 2d }
`;

describe('triggers', () => {
  const triggers = compile(ALL);
  const matching = (data: object, options: Parameters<typeof createView>[0] = {}, type = 'bill.issued') =>
    matchTriggers(triggers, { type, data }, createView(options)).map(({ id }) => id);

  test('match an event by its type, its data and the customer after it', () => {
    expect(matching({ amount: 90, overage: 21 })).toEqual(['bill-shock', 'every-bill']);
    expect(matching({ amount: 90, overage: 20 })).toEqual(['every-bill']);
    expect(matching({ amount: 90 })).toEqual(['every-bill']);
    expect(matching({ overage: 50 }, { attributes: { plan: 'unlimited' } })).toEqual(['every-bill']);
    expect(matching({ overage: 50 }, { features: { calls30d: 3 } })).toEqual(['every-bill']);
    expect(matching({ overage: 50 }, {}, 'usage.high')).toEqual([]);
  });

  test('plan a decision: after the delay or the quiet that a debounce waits for, whichever is longer; and it expires after that', () => {
    const [shock, every] = triggers.all;
    expect(planOfTrigger(shock!, NOW)).toEqual({
      cause: 'trigger:bill-shock',
      channel: '',
      scope: '{"actions":["a"],"topics":["bill"]}',
      context: '{"reason":"billing"}',
      dueMs: NOW + 2 * HOUR_MS,
      expiresAtMs: NOW + 2 * HOUR_MS + DAY_MS,
    });
    expect(planOfTrigger(every!, NOW)).toMatchObject({
      channel: 'sms',
      scope: '',
      context: '{}',
      dueMs: NOW + 30 * MINUTE_MS,
      expiresAtMs: NOW + 30 * MINUTE_MS + 2 * DAY_MS,
    });
  });

  test('are none without a file', () => {
    expect(compile(null).all).toEqual([]);
  });

  test.each([
    ['- { id: x, event: bill.isued }', /triggers.yaml:2:\d+: events.yaml has no event type 'bill.isued'; did you mean 'bill.issued'/],
    ['- { id: x, event: bill.issued, when: event.data.overrage > 1 }', /'bill.issued' has no field 'overrage'; did you mean 'overage'/],
    ['- { id: x, event: bill.issued, when: customer.plam == "a" }', /'customer.plam' is not defined; did you mean 'plan'/],
    ['- { id: x, event: bill.issued, when: features.calls > 1 }', /'features.calls' is not defined/],
    ['- { id: x, event: bill.issued, when: event.time > 1 }', /'event.time' is not defined/],
    ['- { id: x, event: bill.issued, when: context.page == "a" }', /context/],
    ['- { id: x, event: bill.issued, when: "1 +" }', /triggers.yaml:2/],
    ['- { id: x, event: bill.issued, channel: app }', /the channel 'app' is inbound only/],
    ['- { id: x, event: bill.issued, channel: smms }', /unknown channel 'smms'; did you mean 'sms'/],
    ['- { id: x, event: bill.issued, scope: { topics: [bil] } }', /unknown topic 'bil'; did you mean 'bill'/],
    ['- { id: x, event: bill.issued, scope: { actions: [b] } }', /no action of this scope has an outbound treatment/],
    ['- { id: x, event: bill.issued, scope: {} }', /a scope names actions, topics or groups/],
    ['- { id: x, event: bill.issued, delay: 2 }', /'delay' must be a duration such as 90s, 30m, 4h or 3d, not 2/],
    ['- { id: x, event: bill.issued, context: { page: a } }', /'context.page' is not defined in project.yaml/],
    ['- { id: X y, event: bill.issued }', /the id 'X y' must be small letters/],
    ['- { id: x, event: bill.issued, whem: "true" }', /unknown field 'whem'; did you mean 'when'/],
    ['- { id: x, event: bill.issued }\n  - { id: x, event: bill.issued }', /triggers.yaml:3:\d+: the id 'x' is used twice/],
  ])('are refused with their place: %s', (line, message) => {
    expect(faultsOf(`triggers:\n  ${line}\n`)).toMatch(message);
  });
});

describe("the telco catalog's triggers", () => {
  const project = loadProject(fileURLToPath(new URL('../../catalog/telco', import.meta.url)));
  const catalog = compileCatalog(project);
  const triggers = compileTriggers(project, catalog, compileEventTypes(project));
  /** The customer as the event leaves it. */
  const told: readonly (readonly [
    event: string,
    data: object,
    customer: Parameters<typeof createView>[0],
    trigger: string,
    action: string,
  ])[] = [
    ['promotion.announced', { campaign: 'spring' }, {}, 'promotion', ''],
    ['contract.expiring', { daysLeft: 45 }, { attributes: { contractMonthsLeft: 1 } }, 'contract-end', ''],
    ['request.updated', { requestId: 'r' }, { attributes: { openTicket: true } }, 'request-news', 'ticket-status'],
    ['queue.joined', { position: 9 }, {}, 'long-queue', 'callback-instead'],
    ['network.outage.started', {}, { attributes: { outageNow: true } }, 'outage', 'outage-notice'],
    ['network.outage.ended', {}, { features: { outages30d: 1, daysSinceOutage: 0 } }, 'outage-over', 'outage-apology'],
    ['usage.threshold', { percent: 82 }, {}, 'data-running-out', ''],
    ['bill.issued', { amount: 80, overage: 30 }, { features: { overage90d: 30 } }, 'bill-shock', ''],
    ['payment.late', { amount: 30 }, { attributes: { paymentOverdue: true } }, 'payment-late', ''],
    ['payment.failed', { amount: 30 }, { features: { failedPayments30d: 1 } }, 'payment-failed', 'failed-payment-fix'],
  ];

  test.each(told)('%s %j is followed by a message', (type, data, customer, id, actionId) => {
    const view = createView(customer);
    const [trigger, ...others] = matchTriggers(triggers, { type, data }, view);
    expect([trigger?.id, others]).toEqual([id, []]);
    const { context, scope } = trigger!;
    const chosen = ['sms', 'email'].flatMap(
      (channel) => decide(createInput(catalog, { view, channel, direction: 'outbound', scope, context, allowNone: false })).chosen,
    );
    expect(chosen.length).toBeGreaterThan(0);
    if (actionId !== '') expect(new Set(chosen.map((one) => one.actionId))).toEqual(new Set([actionId]));
  });

  test('an outage is told at night, too, and not more often than its own limit says', () => {
    const view = createView({ attributes: { outageNow: true } });
    const night = { catalog, channel: 'sms', context: {}, controls: null, nowMs: NOW + 11 * HOUR_MS, expiresAtMs: NOW + 3 * DAY_MS };
    expect(gateVerdict({ ...night, view, actionId: 'outage-notice' })).toEqual({ kind: 'allow' });
    expect(gateVerdict({ ...night, view, actionId: 'ticket-status' })).toMatchObject({ kind: 'defer', reasonCode: 'quiet-hours' });
    const contacts = [1, 2].map((hours) => ({
      atMs: night.nowMs - hours * HOUR_MS,
      channel: 'email',
      direction: 'outbound' as const,
      actionId: 'outage-notice',
    }));
    const often = createView({ attributes: { outageNow: true }, contacts });
    expect(gateVerdict({ ...night, view: often, actionId: 'outage-notice' })).toMatchObject({
      kind: 'defer',
      reasonCode: 'outage-notice:limit',
    });
  });
});
