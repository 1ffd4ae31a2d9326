import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createDecisionId, DAY_MS, HOUR_MS, MAX_CONTACTS, MINUTE_MS, type DecisionId } from '#contracts';
import { compileDefinitions } from '../definitions/feature-set.ts';
import { decodeState, encodeState } from './codec.ts';
import { addContact, emptyState, type CustomerState } from './customer-state.ts';
import {
  closeMessage,
  closeTrials,
  countInbound,
  forgetMessages,
  hadTurn,
  isLetOut,
  letOut,
  MAX_MESSAGES,
  MAX_SEGMENTS,
  nextOfOutreach,
  openTrial,
  plan,
  takeDue,
  takeTurn,
  unplan,
  type Planned,
} from './outreach.ts';

const set = compileDefinitions({ attributes: [], features: [], actionIds: ['credit'] });
const other = compileDefinitions({
  attributes: [{ name: 'plan', type: 'string', values: [], personal: false, set: [] }],
  features: [],
  actionIds: [],
});
const NOW = 1_800_000_000_000;
const idOf = (i: number): DecisionId => createDecisionId({ atMs: NOW, shard: 7, entropy: [i, i] });
const message = (i: number) => ({
  decisionId: idOf(i),
  actionId: 'credit',
  channel: 'sms',
  atMs: NOW + i * MINUTE_MS,
  endMs: NOW + DAY_MS,
});
const again = (state: CustomerState): CustomerState => decodeState(encodeState(state, NOW), set);
const inbound = (i: number) => ({ atMs: NOW + i * MINUTE_MS, channel: 'app', direction: 'inbound' as const, actionId: 'credit' });

const planned: fc.Arbitrary<Planned> = fc.record({
  cause: fc.constantFrom('trigger:bill-shock', 'snooze', 'api'),
  rootId: fc.option(fc.nat(1_000).map(idOf)),
  channel: fc.constantFrom('', 'sms'),
  scope: fc.constantFrom('', '{"actions":["credit"]}'),
  context: fc.constantFrom('{}', '{"reason":"Grüße"}'),
  dueMs: fc.nat(1_000).map((h) => NOW + h * HOUR_MS),
  expiresAtMs: fc.nat(1_000).map((h) => NOW + h * HOUR_MS + 17),
});

test('what is on its way is stored and read back, and a state without any has the bytes that it had before', () => {
  fc.assert(
    fc.property(fc.array(planned, { maxLength: 10 }), fc.nat(20), fc.nat(10), fc.nat(3), (plans, messages, trials, runs) => {
      const state = emptyState(set);
      const plain = encodeState(state, NOW);
      for (const one of plans) plan(state, one);
      for (let i = 0; i < messages; i++) letOut(state, message(i));
      for (let i = 0; i < trials; i++)
        openTrial(state, {
          decisionId: idOf(i),
          actionId: `a${i}`,
          channel: 'sms',
          arm: i % 2 ? 'contacted' : 'heldOut',
          holdoutShare: Math.fround(0.2),
          endMs: NOW + i,
          inboundContacts: i,
        });
      for (let i = 0; i < runs; i++) takeTurn(state, `s${i}`, NOW + i);
      const read = again(state);
      expect(read.outreach).toEqual(state.outreach);
      expect(nextOfOutreach(read)).toBe(nextOfOutreach(state));
      expect(encodeState(read, NOW)).toEqual(encodeState(state, NOW));
      const moved = decodeState(encodeState(decodeState(encodeState(state, NOW), set), NOW), set);
      expect(moved.outreach).toEqual(state.outreach);
      takeDue(read, Infinity);
      closeTrials(read, Infinity);
      for (const { decisionId } of [...read.outreach.messages]) closeMessage(read, decisionId, false);
      read.outreach.runs.length = 0;
      expect(encodeState(read, NOW)).toEqual(plain);
    }),
  );
});

test('a customer has one turn in a run of a segment, and none in an older run', () => {
  const state = emptyState(set);
  expect(hadTurn(state, 'a', NOW)).toBe(false);
  expect(takeTurn(state, 'a', NOW)).toBe(true);
  expect([takeTurn(state, 'a', NOW), takeTurn(state, 'a', NOW - 1), takeTurn(state, 'b', NOW)]).toEqual([false, false, true]);
  expect([hadTurn(state, 'a', NOW), hadTurn(state, 'a', NOW + 1)]).toEqual([true, false]);
  expect(takeTurn(again(state), 'a', NOW)).toBe(false);
  for (let i = 0; i < MAX_SEGMENTS; i++) takeTurn(state, `s${i}`, NOW + DAY_MS);
  expect(state.outreach.runs).toHaveLength(MAX_SEGMENTS);
  takeTurn(state, 'a', NOW + 62 * DAY_MS);
  expect(state.outreach.runs).toHaveLength(1);
});

test('other definitions leave it as it is', () => {
  const state = emptyState(other);
  letOut(state, message(1));
  other.others.set(set.fingerprint, set);
  set.others.set(other.fingerprint, other);
  expect(again(state).outreach.messages).toEqual([{ ...message(1), atMs: Math.floor((NOW + MINUTE_MS) / MINUTE_MS) * MINUTE_MS }]);
});

test('plans come out when they are due, earliest first, and a debounce takes back what was not decided', () => {
  const state = emptyState(set);
  const at = (hours: number, cause = 'trigger:a', rootId: DecisionId | null = null): Planned => ({
    cause,
    rootId,
    channel: '',
    scope: '',
    context: '{}',
    dueMs: NOW + hours * HOUR_MS,
    expiresAtMs: NOW + DAY_MS,
  });
  expect([at(3), at(1), at(2, 'trigger:a', idOf(1)), at(2, 'snooze')].map((one) => plan(state, one))).toEqual([null, null, null, null]);
  expect(nextOfOutreach(state)).toBe(NOW + HOUR_MS);
  expect(unplan(state, 'trigger:a')).toHaveLength(2);
  expect(takeDue(state, NOW + HOUR_MS)).toEqual([]);
  expect(takeDue(state, NOW + 2 * HOUR_MS).map(({ cause }) => cause)).toEqual(['snooze', 'trigger:a']);
  for (let i = 0; i < 8; i++) plan(state, at(i));
  expect(plan(state, at(99))?.dueMs).toBe(NOW + 99 * HOUR_MS);
});

test('a message is a contact at once; one that never arrived gives it back, one that did keeps it', () => {
  const state = emptyState(set);
  expect(letOut(state, message(1))).toBe(true);
  expect(letOut(state, message(1))).toBe(false);
  expect(letOut(state, message(2))).toBe(true);
  expect(state.contacts).toHaveLength(2);
  expect(closeMessage(state, idOf(1), false)).toBe(true);
  expect(closeMessage(state, idOf(1), false)).toBe(false);
  expect(closeMessage(state, idOf(2), true)).toBe(true);
  expect(state.contacts.map(({ atMs }) => atMs)).toEqual([message(2).atMs]);
  expect(isLetOut(state, idOf(2))).toBe(false);
});

test('no more than so many are open, and what is never heard of again is forgotten, yet was a contact', () => {
  const state = emptyState(set);
  for (let i = 0; i < MAX_MESSAGES; i++) expect(letOut(state, message(i))).toBe(true);
  expect(letOut(state, message(99))).toBe(false);
  forgetMessages(state, NOW + DAY_MS);
  expect(state.hasOutreach).toBe(false);
  expect(state.contacts).toHaveLength(MAX_MESSAGES);
});

test('inbound contacts never displace messages, whatever their order', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([...Array.from({ length: 60 }).keys()], { minLength: 60 }), (order) => {
      const state = emptyState(set);
      for (const i of order) addContact(state, i % 4 === 0 ? { ...inbound(i), direction: 'outbound' } : inbound(i));
      expect(state.contacts).toHaveLength(MAX_CONTACTS);
      expect(state.contacts.filter(({ direction }) => direction === 'outbound')).toHaveLength(15);
      expect(state.contacts.find(({ direction }) => direction === 'inbound')!.atMs).toBeGreaterThanOrEqual(NOW + 57 * MINUTE_MS);
    }),
  );
});

test('an action is on trial once a customer; visits count until its end', () => {
  const state = emptyState(set);
  const trial = {
    decisionId: idOf(1),
    actionId: 'credit',
    channel: 'sms',
    arm: 'contacted' as const,
    holdoutShare: Math.fround(0.05),
    endMs: NOW + HOUR_MS,
    inboundContacts: 0,
  };
  expect(openTrial(state, trial)).toBe(true);
  expect(openTrial(state, { ...trial, decisionId: idOf(2) })).toBe(false);
  countInbound(state, NOW + 1);
  countInbound(state, NOW + HOUR_MS);
  expect(closeTrials(state, NOW + HOUR_MS - 1)).toEqual([]);
  expect(closeTrials(state, NOW + HOUR_MS)).toMatchObject([{ inboundContacts: 1, arm: 'contacted' }]);
});
