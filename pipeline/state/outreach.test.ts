/** The story of outbound contact as state tells it: an event pulls a trigger, the gate judges, what becomes of the message counts. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  DAY_MS,
  HOUR_MS,
  MINUTE_MS,
  NO_CONTROLS,
  SEGMENT_TURN_EVENT,
  STATE_INPUTS,
  TOPICS,
  SCHEDULED,
  UNSAID,
  communicationCodec,
  customerKeyToBytes,
  decisionCodec,
  decisionIdFromBytes,
  decisionIdToBytes,
  eventCodec,
  rewardCodec,
  shardOf,
} from '#contracts';
import type { Communication, Control, Decision, EventRecord, SegmentOrder, Topic } from '#contracts';
import { compileCatalog, compileSegments, compileTriggers } from '#decisioning';
import { followControls } from '#event-log';
import type { ControlsHolder } from '#event-log';
import { compileFeatures, openLmdbFeatureStore } from '#feature-store';
import { compileChannels, compileEventTypes, createProject } from '#project';
import { rebuild } from '../rebuild/rebuild.ts';
import { compileRewards } from '../rewards/compile-rewards.ts';
import { SILENT } from '../role.ts';
import type { Role } from '../role.ts';
import { readSegmentDocuments } from '../segments/segment-document.ts';
import { createSegmentsRole } from '../segments/segments-role.ts';
import {
  PARTITIONS,
  START_MS,
  aDecision,
  anEvent,
  anOutcome,
  customerKey,
  decisionId as decisionIdOf,
  openWorld,
  readTopic,
  stateOf,
  until,
} from '../test-world.ts';
import type { World } from '../test-world.ts';
import { createOutreachDesk, createOutreachRules } from './catalog-outreach.ts';
import { createStateRole } from './state-role.ts';
import type { StateProject, StateRole } from './state-role.ts';

const FILES = {
  'project.yaml': `name: small
timeZone: UTC
channels: { app: { directions: [inbound] }, sms: { directions: [outbound] }, email: { directions: [outbound], escape: html } }
groups: { offer: { marketing: true }, service: {} }
topics: [plan, network]
`,
  'actions/a.yaml': `actions:
  - id: advice
    name: Advice
    group: offer
    topic: plan
    value: 10
    snooze: 2d
    treatments:
      - channel: sms
        content: { body: 'Dear {{customer.name|customer}}, your bill.' }
        translations: { de: { body: 'Guten Tag {{customer.name|}}, Ihre Rechnung.' } }
      - { channel: email, content: { subject: 'Your bill, {{customer.name}}', body: 'Hello' } }
  - id: other
    name: Other
    group: offer
    topic: plan
    value: 1
    treatments: [{ channel: sms, content: { body: Other } }]
  - id: outage
    name: Outage
    group: service
    topic: network
    value: 10
    explore: false
    critical: true
    treatments: [{ channel: [sms, email], content: { subject: Outage, body: We are on it } }]
`,
  'policies.yaml': `shares: { random: 0, untouched: 0 }
none: { priority: -1 }
backfire: { window: 3h, margin: 0.01, alpha: 0.05, holdout: { first: 0.2, last: 0.05 }, ramp: 500 }
contactPolicy:
  - { id: sms-consent, reason: R., require: customer.consentSms == true, appliesTo: { channels: [sms], groups: [offer] } }
  - { id: night, reason: R., quietHours: { from: 21, to: 8 }, appliesTo: { directions: [outbound] } }
  - { id: per-day, reason: R., limit: { max: 1, days: 1, per: customer }, appliesTo: { directions: [outbound], groups: [offer] } }
`,
  'events.yaml': `events:
  customer.updated:
    description: D
    data: { name: { type: string, optional: true, personal: true }, phone: { type: string, optional: true, personal: true }, email: { type: string, optional: true, personal: true }, consentSms: 'boolean?', language: 'string?' }
  bill.issued: { description: B, data: { overage: number } }
  outage.started: { description: O, data: {} }
  call.ended: { description: C, inboundContact: true, data: {} }
`,
  'features.yaml': `attributes:
  name: { type: string, personal: true }
  phone: { type: string, personal: true }
  email: { type: string, personal: true }
  consentSms: { type: boolean }
  language: { type: string }
`,
  'rewards.yaml': `combine: max
outcomes:
  impression: { target: 0 }
  accepted: { target: 1, worth: { fraction: 1 } }
  later: { neutral: true }
  undelivered: { neutral: true, shown: false }
channels: { sms: { window: 5d, cost: 0.05, implies: impression } }
default: { window: 3d, cost: 0 }
`,
  'channels.yaml': `fallback: [sms, email]
channels:
  sms: { adapter: file, address: phone, language: language, expireAfter: 24h, settings: { path: sent.jsonl } }
  email: { adapter: file, address: email, expireAfter: 24h, settings: { path: sent.jsonl } }
caps:
  - { action: other, max: 1, per: day }
`,
  'triggers.yaml': `triggers:
  - { id: bill-shock, event: bill.issued, when: event.data.overage > 20, scope: { actions: [advice] }, expire: 20h }
  - { id: outage, event: outage.started, scope: { actions: [outage] }, debounce: 10m }
`,
  'segments.yaml': `segments:
  - { id: consenting, when: customer.consentSms == true, scope: { actions: [advice] }, perSecond: 5, expire: 4h, schedule: { at: '12:30' } }
`,
};

const compile = (): StateProject & Parameters<typeof createOutreachDesk>[0] => {
  const project = createProject(new Map(Object.entries(FILES)));
  const catalog = compileCatalog(project);
  const eventTypes = compileEventTypes(project);
  const parts = {
    catalog,
    eventTypes,
    channels: compileChannels(project),
    triggers: compileTriggers(project, catalog, eventTypes),
    segments: compileSegments(project, catalog),
    featureSet: compileFeatures(project),
  };
  return {
    ...parts,
    outreach: createOutreachRules(parts),
    rewards: compileRewards(project),
    actionGroup: () => 'offer',
    scorer: () => null,
    controls: () => controls,
  };
};

/** Noon, when nobody sleeps. */
const NOON = START_MS + 12 * HOUR_MS;
const ANA = { name: 'Ana', phone: '+49151', email: 'ana@example.org', consentSms: true };
let world: World;
let role: StateRole | undefined;
let nowMs = NOON;
let controls: Control = NO_CONTROLS;
let project = compile();

beforeEach(async () => {
  nowMs = NOON;
  // Nothing is withheld unless a test says so.
  controls = {
    ...NO_CONTROLS,
    explorationOff: true,
    holdouts: ['advice', 'other', 'outage'].map((actionId) => ({ actionId, share: 0, ramp: null, rise: 0 })),
  };
  project = compile();
  world = { ...(await openWorld()), project };
});
afterEach(async () => {
  await role?.stop();
  await world.close();
});

const start = async (): Promise<void> => {
  const { log, store } = world;
  const desk = createOutreachDesk(project);
  role = createStateRole({ log, store, project, clock: () => nowMs, logger: SILENT, timerPollMs: 10, desk: () => desk });
  await role.start();
};
const inputs: readonly Topic[] = STATE_INPUTS;
/** What state itself appends is read by it, too. */
const settled = async (): Promise<void> => {
  await until(async () => (await world.log.lag('state', inputs)) === 0);
  for (let partition = 0; partition < PARTITIONS; partition++)
    await until(async () => (await world.store.timers.due(partition, nowMs, 1)).length === 0);
  await until(async () => (await world.log.lag('state', inputs)) === 0);
};
const feed = async (...records: Parameters<World['log']['append']>[0]): Promise<void> => {
  await world.log.append(records);
  await settled();
};
const said = async (): Promise<Communication[]> =>
  (await readTopic(world.log, TOPICS.communications)).map(({ value }) => communicationCodec.decode(value));
const decided = async (): Promise<Decision[]> =>
  (await readTopic(world.log, TOPICS.decisions)).map(({ value }) => decisionCodec.decode(value));
const step = (of: Communication, state: Communication['state'], customer = 'c-1'): Parameters<World['log']['append']>[0][number] => ({
  topic: TOPICS.communications,
  shard: shardOf(customer),
  value: communicationCodec.encode({ ...UNSAID, ...of, state, at: nowMs, address: null, content: null }),
});
const bill = (id: string, customer = 'c-1') => anEvent(customer, id, 'bill.issued', { overage: 30 }, nowMs);
const known = (data: object = ANA, customer = 'c-1') => anEvent(customer, 'k', 'customer.updated', data, nowMs - HOUR_MS);
const outbound = (number: number, actionId: string, customer = 'c-1', more: Partial<Decision> = {}) =>
  aDecision(customer, number, actionId, {
    decidedAt: nowMs,
    channel: 'sms',
    direction: 'outbound',
    chosen: [{ rank: 1, index: 1, actionId, treatmentId: 'sms', propensity: 0.1, probability: 0.8, value: 1, priority: 1 }],
    ...more,
  });

describe('outreach', () => {
  test('an event pulls a trigger, a decision is made on the channel that leads to the customer, and its message is queued in his language', async () => {
    await start();
    await feed(known({ ...ANA, language: 'de-AT' }), bill('b1'), anEvent('c-1', 'b2', 'bill.issued', { overage: 3 }, nowMs));
    const [decision] = await decided();
    expect(decision).toMatchObject({ cause: 'trigger:bill-shock', channel: 'sms', direction: 'outbound', rootId: null });
    const [queued, ...more] = await said();
    expect(more).toEqual([]);
    expect(queued).toMatchObject({
      state: 'queued',
      actionId: 'advice',
      channel: 'sms',
      address: '+49151',
      language: 'de-AT',
      cause: 'trigger:bill-shock',
      content: JSON.stringify({ body: 'Guten Tag Ana, Ihre Rechnung.' }),
      // Tried again at night it would wake the customer.
      expiresAt: START_MS + 21 * HOUR_MS - 15 * MINUTE_MS,
    });
    expect(queued!.communicationId).toEqual(decision!.decisionId);

    await feed(step(queued!, 'sent'), step(queued!, 'delivered'), step(queued!, 'delivered'));
    const rewards = (await readTopic(world.log, TOPICS.rewards)).map(({ value }) => rewardCodec.decode(value));
    expect(rewards.map(({ outcome, target, reward }) => ({ outcome, target, reward }))).toEqual([
      { outcome: 'impression', target: 0, reward: -0.05 },
    ]);
    const state = (await stateOf(world, 'c-1'))!;
    expect(state.contacts).toHaveLength(1);
    expect(state.outreach.messages).toEqual([]);
    // Whoever answers the customer within the window is told of it.
    const { decisionId: id, ...told } = state.outreach.recent[0]!;
    expect(state.outreach.recent).toHaveLength(1);
    expect(decisionIdToBytes(id)).toEqual(decision!.decisionId);
    expect(told).toMatchObject({ actionId: 'advice', channel: 'sms', cause: 'trigger:bill-shock', state: 'delivered', reasonCode: null });
    nowMs += 73 * HOUR_MS;
    await settled();
    expect((await stateOf(world, 'c-1'))!.outreach.recent).toEqual([]);
  });

  test('whoever asks, the limit holds; what never arrived gives its contact back and teaches nothing', async () => {
    await start();
    await feed(known(), outbound(1, 'advice'), outbound(2, 'other'));
    await feed(bill('b1'));
    const [first, second, ...more] = await said();
    expect(first).toMatchObject({ state: 'queued', actionId: 'advice', cause: 'api' });
    expect(second).toMatchObject({ state: 'denied', reasonCode: 'per-day' });
    // What the trigger wants has expired when the limit ends.
    expect(more).toEqual([]);
    expect(role!.counters).toMatchObject({ outreachDropped: 1, messagesQueued: 1, messagesDenied: 1 });
    await feed(step(first!, 'failed'));
    expect((await stateOf(world, 'c-1'))!.contacts).toEqual([]);
    nowMs += 31_000;
    await feed(outbound(3, 'other'));
    const third = (await said()).at(-1)!;
    expect(third).toMatchObject({ state: 'queued', actionId: 'other' });
    // Whoever delivered it died in the middle: the customer may have it, so it stays counted.
    await feed(step({ ...third, doubtful: true }, 'failed'));
    expect((await stateOf(world, 'c-1'))!.contacts).toHaveLength(1);
    await feed(outbound(4, 'advice'));
    expect((await said()).at(-1)).toMatchObject({ state: 'denied', reasonCode: 'per-day' });
    // To the last moment, although a state keeps minutes.
    nowMs += DAY_MS - 1;
    await feed(outbound(5, 'advice'));
    expect((await said()).at(-1)).not.toMatchObject({ state: 'queued' });
    const rewards = (await readTopic(world.log, TOPICS.rewards)).map(({ value }) => rewardCodec.decode(value));
    expect(rewards.filter(({ target }) => target !== null)).toEqual([]);
  });

  test('at night a message is deferred, and in the morning decided again', async () => {
    nowMs = START_MS + 22 * HOUR_MS;
    await start();
    const scope = '{"actions":["advice"]}';
    await feed(known(), outbound(1, 'advice', 'c-1', { scope }), anEvent('c-1', 'o', 'outage.started', {}, nowMs));
    const [deferred] = await said();
    expect(deferred).toMatchObject({ state: 'deferred', reasonCode: 'night', until: START_MS + 32 * HOUR_MS });
    nowMs += 11 * MINUTE_MS;
    await settled();
    expect((await said())[1]).toMatchObject({ state: 'queued', actionId: 'outage', cause: 'trigger:outage' });
    // Meanwhile the customer has withdrawn consent: what is decided again knows it.
    await feed(anEvent('c-1', 'k2', 'customer.updated', { consentSms: false }, nowMs));
    nowMs = START_MS + 32 * HOUR_MS;
    await settled();
    const decisions = await decided();
    const again = decisions.find(({ rootId }) => rootId !== null && rootId !== undefined);
    expect(again === undefined || again.chosen.length === 0).toBe(true);
    expect((await said()).filter(({ state }) => state === 'queued')).toHaveLength(1);
  });

  test('what TMF681 asks for a later time is decided then, and one that is cancelled is not', async () => {
    await start();
    const later = (number: number) => {
      const id = decisionIdToBytes(decisionIdOf('c-1', number, nowMs));
      const request = JSON.stringify({ channel: 'sms', scope: '{"actions":["advice"]}', context: '{}' });
      const asked = {
        communicationId: id,
        decisionId: id,
        customerKey: customerKeyToBytes(customerKey('c-1')),
        channel: 'sms',
        treatmentId: '',
      };
      return {
        ...UNSAID,
        ...asked,
        state: 'deferred' as const,
        reasonCode: SCHEDULED,
        at: nowMs,
        until: nowMs + 2 * HOUR_MS,
        cause: 'tmf681',
        request,
      };
    };
    const [kept, cancelled] = [later(1), later(2)];
    await feed(known(), step(kept, 'deferred'), step(kept, 'deferred'), step(cancelled, 'deferred'), step(cancelled, 'cancelled'));
    expect((await stateOf(world, 'c-1'))!.outreach.planned).toMatchObject([
      { cause: 'tmf681', channel: 'sms', dueMs: nowMs + 2 * HOUR_MS },
    ]);
    expect(await decided()).toEqual([]);
    nowMs += 2 * HOUR_MS;
    await settled();
    const [decision, ...more] = await decided();
    expect(more).toEqual([]);
    expect(decision).toMatchObject({ cause: 'tmf681', rootId: kept.decisionId, channel: 'sms' });
    expect((await said()).at(-1)).toMatchObject({
      state: 'queued',
      communicationId: kept.communicationId,
      decisionId: decision!.decisionId,
    });
  });

  test('flapping makes one message', async () => {
    await start();
    await feed(known(), anEvent('c-1', 'o1', 'outage.started', {}, nowMs));
    nowMs += 5 * MINUTE_MS;
    await feed(anEvent('c-1', 'o2', 'outage.started', {}, nowMs));
    nowMs += 6 * MINUTE_MS;
    await settled();
    expect(await said()).toEqual([]);
    nowMs += 5 * MINUTE_MS;
    await settled();
    expect(await said()).toMatchObject([{ state: 'queued', actionId: 'outage' }]);
  });

  test('without address, variable or consent nothing leaves, and the reason says so', async () => {
    await start();
    await feed(
      known({ consentSms: true }, 'c-1'),
      outbound(1, 'advice', 'c-1'),
      known({ email: 'b@example.org' }, 'c-2'),
      outbound(2, 'advice', 'c-2', {
        channel: 'email',
        chosen: [{ rank: 1, index: 0, actionId: 'advice', treatmentId: 'email', propensity: 0.1, probability: 1, value: 1, priority: 1 }],
      }),
      outbound(3, 'advice', 'c-3'),
    );
    expect((await said()).map(({ state, reasonCode }) => `${state} ${reasonCode}`).toSorted()).toEqual([
      'denied missing:customer.name',
      'denied no-address',
      'denied sms-consent',
    ]);
  });

  test('a volume cap is never passed, whoever is asked for', async () => {
    await start();
    const customers = ['c-1', 'c-2', 'c-3', 'c-4'];
    await feed(...customers.map((customer) => known(ANA, customer)), ...customers.map((customer, i) => outbound(i, 'other', customer)));
    const verdicts = (await said()).map(({ state, reasonCode }) => `${state} ${reasonCode}`).toSorted();
    expect(verdicts).toEqual(['denied volume-cap', 'denied volume-cap', 'denied volume-cap', 'queued null']);
  });

  test('some are held out and get nothing; whether they came to us within the window is told of both', async () => {
    controls = { ...controls, holdouts: [{ actionId: 'advice', share: 0.5, ramp: null, rise: 0 }] };
    await start();
    const customers = Array.from({ length: 24 }, (_, i) => `c-${i}`);
    await feed(...customers.flatMap((customer) => [known(ANA, customer), bill('b1', customer)]));
    const verdicts = await said();
    const heldOut = verdicts.filter(({ state }) => state === 'heldOut');
    expect(verdicts.filter(({ state }) => state === 'queued').length + heldOut.length).toBe(24);
    expect(heldOut.length).toBeGreaterThan(4);
    expect(heldOut.length).toBeLessThan(20);
    for (const decision of await decided()) expect(decision.probabilities.reduce((sum, one) => sum + one, 0)).toBeCloseTo(1, 9);
    nowMs += HOUR_MS;
    const caller = customers.find((customer) => customerKeyToBytes(customerKey(customer)).equals(heldOut[0]!.customerKey))!;
    await feed(anEvent(caller, 'call', 'call.ended', {}, nowMs));
    nowMs += 2 * HOUR_MS;
    await settled();
    const matured = (await said()).filter(({ state }) => state === 'matured');
    expect(matured).toHaveLength(24);
    expect(matured.every(({ holdoutShare }) => holdoutShare === 0.5)).toBe(true);
    expect(matured.filter(({ inboundContacts }) => inboundContacts === 1)).toMatchObject([{ arm: 'heldOut' }]);
  });

  test('who said later is asked again when the snooze is over', async () => {
    await start();
    await feed(known(), outbound(1, 'advice'));
    const [queued] = await said();
    await feed(step(queued!, 'delivered'), anOutcome('c-1', 1, 'advice', 'later', { decidedAt: nowMs, occurredAt: nowMs + MINUTE_MS }));
    nowMs += 2 * DAY_MS;
    await settled();
    expect(await said()).toHaveLength(2);
    nowMs += 2 * MINUTE_MS;
    await settled();
    const again = (await said()).at(-1)!;
    expect(again).toMatchObject({ state: 'queued', actionId: 'advice', cause: 'snooze' });
    const decision = (await decided()).find(({ decisionId }) => decisionId.equals(again.decisionId!))!;
    expect(decisionIdFromBytes(decision.rootId!)).toBe(decisionIdFromBytes(queued!.decisionId!));
  });

  test('a crash between append and commit lets nothing out twice', async () => {
    const { log, store } = world;
    const desk = createOutreachDesk(project);
    let crashes = 2;
    role = createStateRole({
      log,
      store,
      project,
      clock: () => nowMs,
      logger: SILENT,
      timerPollMs: 10,
      desk: () => desk,
      beforeCommit: async () => {
        if (crashes-- > 0) throw new Error('crash');
      },
    });
    await role.start();
    await feed(known(), bill('b1'), bill('b2'));
    const state = (await stateOf(world, 'c-1'))!;
    expect(state.contacts).toHaveLength(1);
    const queued = (await said()).filter((one) => one.state === 'queued');
    expect(new Set(queued.map(({ communicationId }) => communicationId.toString('hex'))).size).toBe(1);
    expect(state.outreach.messages.map(({ decisionId }) => decisionIdToBytes(decisionId))).toEqual([queued[0]!.communicationId]);
  });

  test('a rebuild from the log knows the same contacts, messages, plans and trials, and emits nothing', async () => {
    controls = { ...controls, holdouts: [{ actionId: 'advice', share: 0.5, ramp: null, rise: 0 }] };
    await start();
    const customers = Array.from({ length: 10 }, (_, i) => `c-${i}`);
    await feed(...customers.flatMap((customer) => [known(ANA, customer), bill('b1', customer), outbound(1, 'other', customer)]));
    nowMs = START_MS + 22 * HOUR_MS;
    await feed(...customers.map((customer) => anEvent(customer, 'o', 'outage.started', {}, nowMs)));
    await role!.stop();
    role = undefined;
    const before = await Promise.all(customers.map((customer) => stateOf(world, customer)));
    const records = (await said()).length;
    const store = await openLmdbFeatureStore({ dir: join(mkdtempSync(join(world.dir, 'rebuilt-')), 'store'), partitions: PARTITIONS });
    await rebuild({ log: world.log, store, project, logger: SILENT, settleMs: 50, snapshot: null });
    const after = await Promise.all(customers.map((customer) => stateOf({ ...world, store }, customer)));
    expect(after.map((state) => state!.contacts)).toEqual(before.map((state) => state!.contacts));
    expect(after.map((state) => state!.outreach)).toEqual(before.map((state) => state!.outreach));
    expect((await said()).length).toBe(records);
    await store.close();
  });
});

describe('a segment', () => {
  const members = Array.from({ length: 12 }, (_, i) => `m-${i}`);
  const others = ['o-1', 'o-2', 'o-3'];
  let runner: Role | undefined;
  let operators: ControlsHolder | undefined;
  let looks = 0;
  afterEach(async () => {
    await runner?.stop();
    await operators?.stop();
    [runner, operators] = [undefined, undefined];
  });

  /**
   * @param dies after so many appends: the last one reaches the log, and nobody knows
   * @param mayGo what a turn waits for
   */
  const run = async (dies = Infinity, mayGo: () => Promise<void> = () => Promise.resolve()): Promise<void> => {
    const { log, store } = world;
    operators ??= followControls({ log, onUnreadable: () => {} });
    let appends = 0;
    runner = createSegmentsRole({
      store,
      controls: operators,
      project: () => {
        looks++;
        return project;
      },
      clock: () => nowMs,
      everyMs: 10,
      sleep: async (ms) => {
        await mayGo();
        nowMs += ms;
      },
      log: {
        async append(records) {
          const positions = await log.append(records);
          if (++appends >= dies) throw new Error('died');
          return positions;
        },
      },
    });
    await runner.start();
  };
  /** A whole look began and ended. */
  const looked = async (): Promise<void> => {
    const before = looks;
    await until(() => looks >= before + 2);
  };
  const runUntilDead = async (appends: number): Promise<void> => {
    await run(appends);
    await until(() => runner!.metrics()['failures'] === 1);
    await runner!.stop();
  };
  const order = (what: SegmentOrder['order']): Promise<Control> =>
    operators!.change((current) => ({
      ...current,
      segmentOrders: [{ segmentId: 'consenting', order: what, by: 'ana', reason: 'R.', at: nowMs }],
    }));
  const turns = async (): Promise<EventRecord[]> =>
    (await readTopic(world.log, TOPICS.events))
      .map(({ value }) => eventCodec.decode(value))
      .filter(({ type }) => type === SEGMENT_TURN_EVENT);
  const document = async () => (await readSegmentDocuments(world.store.documents))[0];
  const ended = (state: string) => until(async () => (await document())?.run?.state === state);
  const keysOf = (customers: readonly string[]): string[] => customers.map(customerKey).toSorted();

  test('is run when it is due, at its rate; each of its customers is asked about once although runners die in the middle, others never', async () => {
    await start();
    await feed(
      ...members.map((customer) => known(ANA, customer)),
      ...others.map((customer) => known({ ...ANA, consentSms: false }, customer)),
    );
    // What was due before it was known is not made up for.
    await run();
    await until(async () => (await document()) !== undefined);
    expect((await document())!.run).toBeNull();
    await runner!.stop();
    nowMs += 31 * MINUTE_MS;
    await runUntilDead(5);
    await settled();
    expect(await decided()).toHaveLength(5);
    // These are not folded before the next one looks who had a turn.
    await role!.stop();
    await runUntilDead(4);
    await run();
    await ended('done');
    await start();
    await settled();

    const all = await turns();
    expect(all).toHaveLength(5 + 4 + 7);
    const times = all.map(({ receivedAt }) => receivedAt).toSorted((a, b) => a - b);
    for (let i = 6; i < times.length; i++) expect(times[i]! - times[i - 6]!).toBeGreaterThanOrEqual(800);
    const queued = (await said()).filter(({ state }) => state === 'queued');
    expect(queued.map(({ customerKey: key }) => key.toString('hex')).toSorted()).toEqual(keysOf(members));
    expect(new Set((await decided()).map(({ decisionId }) => decisionId.toString('hex'))).size).toBe(12);
    expect(queued.every(({ cause }) => cause === 'segment:consenting')).toBe(true);
    expect(role!.counters).toMatchObject({ turns: 7, duplicates: 4, messagesQueued: 7 });
    expect((await document())!.run).toMatchObject({ by: 'schedule', runAtMs: NOON + 30 * MINUTE_MS, members: 12, turns: 12 });

    // A rebuild knows whose turn it was.
    await role!.stop();
    role = undefined;
    const store = await openLmdbFeatureStore({ dir: join(mkdtempSync(join(world.dir, 'rebuilt-')), 'store'), partitions: PARTITIONS });
    await rebuild({ log: world.log, store, project, logger: SILENT, settleMs: 50, snapshot: null });
    expect((await stateOf({ ...world, store }, 'm-3'))!.outreach).toEqual((await stateOf(world, 'm-3'))!.outreach);
    await store.close();
  });

  test('is run when a person says so, and stopped; who does not belong to it any more when its turn comes is left alone', async () => {
    await start();
    await feed(...members.map((customer) => known(ANA, customer)));
    await run();
    await order('run');
    await ended('done');
    const [first] = await turns();
    expect((await document())!.run).toMatchObject({ by: 'ana', runAtMs: NOON, turns: 12 });
    await settled();
    expect(await decided()).toHaveLength(12);

    // Stopped before it is due: nothing is. Then on again, from the next time on.
    nowMs = NOON + 20 * MINUTE_MS;
    await order('stop');
    nowMs = NOON + 31 * MINUTE_MS;
    await looked();
    await order('resume');
    await looked();
    expect((await document())!.run!.runAtMs).toBe(NOON);
    nowMs = NOON + DAY_MS + 30 * MINUTE_MS;
    await until(async () => (await document())!.run!.runAtMs === nowMs || (await document())!.run!.by === 'schedule');
    await ended('done');
    await settled();
    expect(await turns()).toHaveLength(24);

    // Another run's turn of one who has withdrawn, and of one whom nobody knows (any more).
    const before = (await decided()).length;
    await feed(anEvent('m-1', 'k2', 'customer.updated', { consentSms: false }, nowMs));
    for (const customer of ['m-1', 'nobody'])
      await feed({
        topic: TOPICS.events,
        shard: shardOf(customer),
        value: eventCodec.encode({
          ...first!,
          customerKey: customerKeyToBytes(customerKey(customer)),
          data: JSON.stringify({ segmentId: 'consenting', runAtMs: nowMs, shard: shardOf(customer) }),
        }),
      });
    expect(await decided()).toHaveLength(before);
    expect(await stateOf(world, 'nobody')).toBeNull();
  });

  test('ends in the middle when a person stops it, or when its next run is wanted, which is for all of its customers again', async () => {
    await start();
    await feed(...members.map((customer) => known(ANA, customer)));
    let gate = Promise.withResolvers<void>();
    let left = 4;
    const hold = (): void => {
      [gate, left] = [Promise.withResolvers<void>(), 4];
    };
    const release = (): void => {
      left = Infinity;
      gate.resolve();
    };
    await run(Infinity, () => (left-- > 0 ? Promise.resolve() : gate.promise));
    await order('run');
    await until(() => left < 0);
    await order('stop');
    await looked();
    release();
    await ended('stopped');
    expect((await document())!.run).toMatchObject({ members: 12, turns: 5 });

    nowMs += MINUTE_MS;
    hold();
    await order('run');
    await until(() => left < 0);
    const first = (await document())!.run!.runAtMs;
    // It is half past twelve, and the schedule's own run is due.
    nowMs = NOON + 31 * MINUTE_MS;
    await looked();
    release();
    await until(async () => (await document())!.run!.by === 'schedule');
    await ended('done');
    expect((await document())!.run).toMatchObject({ members: 12, turns: 12 });
    const ofRun = Map.groupBy(await turns(), ({ time }) => time);
    expect(ofRun.size).toBe(3);
    expect([ofRun.get(NOON)!.length, ofRun.get(first)!.length]).toEqual([5, 5]);
    expect(new Set(ofRun.get(NOON + 30 * MINUTE_MS)!.map(({ customerKey: key }) => key.toString('hex'))).size).toBe(12);
  });
});
