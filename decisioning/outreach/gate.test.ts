/** The gate: allow, deny, or defer to the exact moment; and no sequence of what it lets out passes a limit. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY_MS, HOUR_MS, MAX_CONTACTS, MINUTE_MS } from '#contracts';
import type { Contact, CustomerView } from '#contracts';
import { createProject } from '#project';
import { chooseChannel, compileCatalog, gateVerdict, snoozeUntil } from '../index.ts';
import type { GateInput, GateVerdict } from '../index.ts';
import { NOW, createView } from '../testing/fixtures.ts';
import { endOfQuiet } from './when-it-ends.ts';

const treatments = 'treatments: [{ channel: [sms, email], direction: outbound, content: { body: T } }]';
const PROJECT = `name: gate
timeZone: Europe/Berlin
channels: { app: { directions: [inbound] }, sms: { directions: [outbound] }, email: { directions: [outbound] } }
groups: { offer: { marketing: true }, service: {} }
topics: [plan, network]
`;
const ACTIONS = `actions:
  - { id: offer-a, name: A, group: offer, topic: plan, value: 10, snooze: 2d, ${treatments} }
  - { id: offer-b, name: B, group: offer, topic: plan, value: 10, snooze: 0d, end: 2026-11-25, ${treatments} }
  - { id: outage, name: Outage, group: service, topic: network, value: 10, critical: true, ${treatments} }
  - { id: update, name: Update, group: service, topic: network, value: 10, ${treatments} }
`;
const RULES = `
  - { id: law, reason: R., require: '!has(customer.doNotContact) || customer.doNotContact == false' }
  - { id: sms-consent, reason: R., require: customer.consentSms == true, appliesTo: { channels: [sms] } }
  - { id: ticket, reason: R., require: '!has(customer.openTicket) || customer.openTicket == false', defer: 4h, appliesTo: { groups: [offer] } }
  - { id: night, reason: R., quietHours: { from: 21, to: 8 } }
  - { id: per-week, reason: R., limit: { max: 2, days: 7, per: customer }, appliesTo: { directions: [outbound] } }
  - { id: per-channel, reason: R., limit: { max: 1, days: 1, per: channel }, appliesTo: { directions: [outbound] } }
  - { id: per-topic, reason: R., limit: { max: 1, days: 3, per: topic }, appliesTo: { directions: [outbound], groups: [offer] } }
  - { id: refused, reason: R., coolDown: { after: rejected, days: 2, per: topic }, appliesTo: { groups: [offer] } }
`;
const catalogOf = (rules = RULES) =>
  compileCatalog(
    createProject(
      new Map([
        ['project.yaml', PROJECT],
        ['actions/a.yaml', ACTIONS],
        ['policies.yaml', `shares: { random: 0, untouched: 0 }\ncontactPolicy:${rules}`],
        [
          'features.yaml',
          'attributes: { doNotContact: { type: boolean }, consentSms: { type: boolean }, openTicket: { type: boolean }, timeZone: { type: string } }\n',
        ],
      ]),
    ),
  );
const catalog = catalogOf();
const ask = (options: Partial<GateInput> & { readonly view?: CustomerView } = {}): GateVerdict =>
  gateVerdict({
    catalog,
    view: createView(),
    actionId: 'offer-a',
    channel: 'sms',
    context: {},
    controls: null,
    nowMs: NOW,
    expiresAtMs: NOW + 30 * DAY_MS,
    ...options,
  });
const sent = (hoursAgo: number, actionId = 'offer-a', channel = 'sms'): Contact => ({
  atMs: NOW - hoursAgo * HOUR_MS,
  channel,
  direction: 'outbound',
  actionId,
});
const PAUSES = { stopOutbound: false, pausedActions: [], pausedChannels: [], explorationOff: false, downChannels: [] };

describe('the gate', () => {
  test('allows what nothing withholds', () => {
    expect(ask()).toEqual({ kind: 'allow' });
  });

  test('denies without consent, and defers what says so', () => {
    expect(ask({ view: createView({ attributes: { consentSms: false } }) })).toEqual({ kind: 'deny', reasonCode: 'sms-consent' });
    expect(ask({ view: createView({ attributes: { consentSms: false } }), channel: 'email' })).toEqual({ kind: 'allow' });
    const view = createView({ attributes: { openTicket: true } });
    expect(ask({ view })).toEqual({ kind: 'defer', reasonCode: 'ticket', untilMs: NOW + 4 * HOUR_MS });
    expect(ask({ view, expiresAtMs: NOW + 3 * HOUR_MS })).toEqual({ kind: 'deny', reasonCode: 'ticket' });
    expect(ask({ view, actionId: 'update' })).toEqual({ kind: 'allow' });
  });

  test('denies what is denied for good rather than wait for what ends', () => {
    const view = createView({ attributes: { openTicket: true, doNotContact: true } });
    expect(ask({ view, nowMs: NOW + 11 * HOUR_MS })).toEqual({ kind: 'deny', reasonCode: 'law' });
  });

  test('defers until the last of what withholds it has ended', () => {
    // 23:00 in Berlin, and a ticket is open: morning comes later than four hours.
    const view = createView({ attributes: { openTicket: true } });
    expect(ask({ view, nowMs: NOW + 11 * HOUR_MS })).toEqual({ kind: 'defer', reasonCode: 'night', untilMs: NOW + 20 * HOUR_MS });
  });

  test('waits for a limit to have room, and for no longer', () => {
    const contacts = [sent(30, 'outage'), sent(100, 'update', 'email')];
    expect(ask({ view: createView({ contacts }) })).toEqual({ kind: 'defer', reasonCode: 'per-week', untilMs: NOW + 68 * HOUR_MS });
    expect(ask({ view: createView({ contacts: [sent(2, 'update')] }), actionId: 'update' })).toEqual({
      kind: 'defer',
      reasonCode: 'per-channel',
      untilMs: NOW + 22 * HOUR_MS,
    });
    expect(ask({ view: createView({ contacts: [sent(48)] }), expiresAtMs: NOW + DAY_MS })).toEqual({
      kind: 'deny',
      reasonCode: 'per-topic',
    });
    expect(ask({ view: createView({ pairs: { 'offer-b': { rejected: 1, lastRejectedMs: NOW - DAY_MS } } }) })).toEqual({
      kind: 'defer',
      reasonCode: 'refused',
      untilMs: NOW + DAY_MS,
    });
  });

  test('exempts what is critical from limits and quiet hours, and not from what is required', () => {
    const contacts = [sent(1), sent(2, 'update'), sent(3, 'outage')];
    const night = { actionId: 'outage', nowMs: NOW + 11 * HOUR_MS };
    expect(ask({ ...night, view: createView({ contacts }) })).toEqual({ kind: 'allow' });
    expect(ask({ ...night, view: createView({ contacts, attributes: { doNotContact: true } }) })).toEqual({
      kind: 'deny',
      reasonCode: 'law',
    });
  });

  test('obeys the controls: what is paused is denied, a channel that is down is tried again', () => {
    expect(ask({ controls: { ...PAUSES, stopOutbound: true } })).toEqual({ kind: 'deny', reasonCode: 'outbound-stopped' });
    expect(ask({ controls: { ...PAUSES, pausedActions: ['offer-a'] } })).toEqual({ kind: 'deny', reasonCode: 'action-paused' });
    expect(ask({ controls: { ...PAUSES, pausedChannels: ['sms'] } })).toEqual({ kind: 'deny', reasonCode: 'channel-paused' });
    expect(ask({ controls: { ...PAUSES, downChannels: ['sms'] } })).toEqual({
      kind: 'defer',
      reasonCode: 'channel-down',
      untilMs: NOW + 5 * MINUTE_MS,
    });
    expect(ask({ controls: { ...PAUSES, downChannels: ['email'] } })).toEqual({ kind: 'allow' });
  });

  test('denies what has expired, has ended or is not known', () => {
    expect(ask({ expiresAtMs: NOW })).toEqual({ kind: 'deny', reasonCode: 'expired' });
    expect(ask({ actionId: 'offer-b', nowMs: Date.UTC(2026, 10, 26, 11) })).toEqual({ kind: 'deny', reasonCode: 'dates' });
    expect(ask({ actionId: 'gone' })).toEqual({ kind: 'deny', reasonCode: 'unknown-action' });
  });

  test('lets nothing out while contacts that may count are forgotten', () => {
    const contacts = Array.from({ length: MAX_CONTACTS }, (_, i) => sent(i + 2, 'outage', 'email'));
    const open = catalogOf(
      '\n  - { id: topic, reason: R., limit: { max: 1, days: 3, per: topic }, appliesTo: { directions: [outbound], groups: [offer] } }\n',
    );
    expect(ask({ catalog: open, view: createView({ contacts }) })).toEqual({
      kind: 'defer',
      reasonCode: 'topic',
      untilMs: NOW + (72 - 21) * HOUR_MS,
    });
    expect(ask({ catalog: open, view: createView({ contacts: contacts.slice(1) }) })).toEqual({ kind: 'allow' });
  });

  test('whatever is asked whenever, no limit is passed, and a deferral is not a minute too long', () => {
    const asks = fc.array(
      fc.record({
        afterMinutes: fc.integer({ min: 0, max: 1_500 }),
        actionId: fc.constantFrom('offer-a', 'offer-b', 'outage', 'update'),
        channel: fc.constantFrom('sms', 'email'),
        patient: fc.boolean(),
      }),
      { minLength: 1, maxLength: 60 },
    );
    const endless = { ...catalog, actions: catalog.actions.map((action) => ({ ...action, endMs: Infinity })) };
    fc.assert(
      fc.property(asks, (all) => {
        const out: Contact[] = [];
        let nowMs = NOW;
        for (const { afterMinutes, actionId, channel, patient } of all) {
          nowMs += afterMinutes * MINUTE_MS;
          const at = (ms: number): GateVerdict =>
            ask({
              catalog: endless,
              actionId,
              channel,
              nowMs: ms,
              expiresAtMs: ms + 30 * DAY_MS,
              view: createView({ contacts: out.toReversed().slice(0, MAX_CONTACTS) }),
            });
          let verdict = at(nowMs);
          if (verdict.kind === 'defer') {
            expect(verdict.untilMs).toBeGreaterThan(nowMs);
            expect(at(verdict.untilMs - 1).kind).toBe('defer');
            for (let tries = patient ? 20 : 0; verdict.kind === 'defer' && tries > 0; tries--) {
              nowMs = verdict.untilMs;
              verdict = at(nowMs);
            }
            if (patient) expect(verdict.kind).toBe('allow');
          }
          if (verdict.kind === 'allow') out.push({ atMs: nowMs, channel, direction: 'outbound', actionId });
        }
        const policed = out.filter(({ actionId }) => actionId !== 'outage');
        for (const { atMs, channel, actionId } of policed) {
          const within = (days: number) => out.filter((other) => other.atMs <= atMs && atMs - other.atMs < days * DAY_MS);
          const before = out.filter((other) => other.atMs < atMs && atMs - other.atMs < 7 * DAY_MS).length;
          expect(before).toBeLessThan(2);
          const onChannel = within(1).filter((other) => other.channel === channel && other.atMs < atMs);
          expect(onChannel).toEqual([]);
          if (actionId.startsWith('offer')) {
            const onTopic = within(3).filter((other) => other.actionId.startsWith('offer') && other.atMs < atMs);
            expect(onTopic).toEqual([]);
          }
        }
      }),
      { seed: 5, numRuns: 60 },
    );
  });
});

describe('quiet hours end', () => {
  const NIGHT = { from: 21, to: 8 };
  const end = (now: string, zone: string, quiet = NIGHT): string => new Date(endOfQuiet(quiet, Date.parse(now), zone, 'UTC')).toISOString();

  test('on the clock where the customer is, also in the nights when it changes', () => {
    expect(end('2026-11-23T22:10:30Z', 'Europe/Berlin')).toBe('2026-11-24T07:00:00.000Z');
    expect(end('2026-03-28T22:00:00Z', 'Europe/Berlin')).toBe('2026-03-29T06:00:00.000Z');
    expect(end('2026-10-24T20:00:00Z', 'Europe/Berlin')).toBe('2026-10-25T07:00:00.000Z');
    expect(end('2026-11-24T03:00:00Z', 'America/New_York')).toBe('2026-11-24T13:00:00.000Z');
    expect(end('2026-11-24T03:00:00Z', 'Asia/Kathmandu', { from: 3, to: 9.5 })).toBe('2026-11-24T03:45:00.000Z');
  });

  test('when an hour that is skipped would have been their end', () => {
    // 02:30 does not exist in Berlin on that day: at 01:00 UTC it is 03:00.
    expect(end('2026-03-28T23:00:00Z', 'Europe/Berlin', { from: 22, to: 2.5 })).toBe('2026-03-29T01:00:00.000Z');
  });

  test('never, where the whole day is quiet; at once, where it is not', () => {
    expect(endOfQuiet({ from: 0, to: 24 }, NOW, 'UTC', 'UTC')).toBe(Infinity);
    expect(endOfQuiet(NIGHT, NOW, 'UTC', 'UTC')).toBe(NOW);
  });

  test('is the first moment that is not quiet, at any time of any year', () => {
    const zones = ['Europe/Berlin', 'America/New_York', 'UTC', 'Australia/Lord_Howe', 'America/St_Johns'];
    fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2030, 0, 1) }),
        fc.constantFrom(...zones),
        fc.constantFrom(NIGHT, { from: 22.5, to: 2.25 }, { from: 1, to: 2.5 }),
        (now, zone, quiet) => {
          const endMs = endOfQuiet(quiet, now, zone, 'UTC');
          const again = (ms: number): number => endOfQuiet(quiet, ms, zone, 'UTC');
          expect(again(endMs)).toBe(endMs);
          if (endMs > now) {
            expect(again(endMs - 1)).toBe(endMs);
            expect(again(Math.floor((now + endMs) / 2))).toBe(endMs);
          }
        },
      ),
      { seed: 9, numRuns: 200 },
    );
  });
});

describe('the channel', () => {
  const channels = {
    fallback: ['email', 'sms'],
    preferred: 'preferredChannel',
    channels: new Map([
      ['sms', { address: 'phone' }],
      ['email', { address: 'email' }],
    ]),
  };
  const ADDRESSES = { phone: '+4915112345678', email: 'a@example.org' };
  const choose = (attributes: Parameters<typeof createView>[0], options: Partial<Parameters<typeof chooseChannel>[0]> = {}) =>
    chooseChannel({
      catalog,
      channels,
      view: createView({ ...attributes, attributes: { ...ADDRESSES, ...attributes?.attributes } }),
      scope: null,
      context: {},
      controls: null,
      nowMs: NOW,
      expiresAtMs: NOW + DAY_MS,
      ...options,
    });

  test("is the customer's own, else the first of the operator's order that will do", () => {
    expect(choose({ attributes: { preferredChannel: 'sms' } })).toEqual({ channel: 'sms', passedOver: [], again: null });
    expect(choose({ attributes: { preferredChannel: 'app' } })).toEqual({ channel: 'email', passedOver: [], again: null });
    expect(choose({ attributes: { preferredChannel: 'sms', consentSms: false } })).toEqual({
      channel: 'email',
      passedOver: [{ channel: 'sms', reasonCode: 'nothing-eligible' }],
      again: null,
    });
  });

  test('is one that works and at which the customer can be reached', () => {
    expect(choose({ attributes: { email: ' ' } })).toMatchObject({
      channel: 'sms',
      passedOver: [{ channel: 'email', reasonCode: 'no-address' }],
    });
    expect(choose({}, { controls: { ...PAUSES, downChannels: ['email'] } })).toMatchObject({
      channel: 'sms',
      passedOver: [{ channel: 'email', reasonCode: 'channel-closed' }],
    });
    expect(choose({}, { controls: { ...PAUSES, stopOutbound: true } })).toMatchObject({ channel: null, again: null });
  });

  test('waits where only the contact policy says no, until the first of what it withholds is free', () => {
    const nowMs = NOW + 11 * HOUR_MS;
    expect(choose({}, { nowMs, scope: { groups: ['offer'] } })).toMatchObject({
      channel: null,
      again: { untilMs: NOW + 20 * HOUR_MS, reasonCode: 'night' },
    });
    expect(choose({}, { nowMs, scope: { groups: ['offer'] }, expiresAtMs: NOW + 15 * HOUR_MS })).toMatchObject({
      channel: null,
      again: null,
    });
    expect(choose({}, { nowMs })).toMatchObject({ channel: 'email' });
  });

  test('an offer comes back when its snooze is over, unless it has ended by then', () => {
    expect(snoozeUntil(catalog, 'offer-a', NOW)).toBe(NOW + 2 * DAY_MS);
    expect(snoozeUntil(catalog, 'update', NOW)).toBe(NOW + 3 * DAY_MS);
    expect(snoozeUntil(catalog, 'offer-b', NOW)).toBeNull();
    expect(snoozeUntil(catalog, 'gone', NOW)).toBeNull();
  });
});
