/** What the log will never take is kept for a while, and of nobody who was erased since. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DAY_MS, TOPICS, erasureCodec, eventCodec } from '#contracts';
import { encodeEntry } from '../lmdb/journal-entry.ts';
import type { AppendRecord } from '../port.ts';
import { SetAside } from './set-aside.ts';

let dir: string;
let nowMs: number;
let setAside: SetAside;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'attune-set-aside-'));
  nowMs = Date.parse('2026-11-25T23:00:00Z');
  setAside = new SetAside({ dir, keepMs: 30 * DAY_MS, clock: () => nowMs });
});
afterEach(() => rmSync(dir, { recursive: true }));

const keyOf = (customer: number): Buffer => Buffer.alloc(16, customer);
const eventOf = (customer: number): AppendRecord => ({
  topic: TOPICS.events,
  shard: 0,
  value: eventCodec.encode({
    id: 'e',
    source: 's',
    type: 't',
    subjectKind: 'customer',
    subjectId: `<customer ${customer}>`,
    customerKey: keyOf(customer),
    time: 1,
    receivedAt: 1,
    data: '{}',
  }),
});
const add = (...records: AppendRecord[]): string => setAside.add(encodeEntry({ number: 1, acceptedAtMs: nowMs, records }));
const erase = (customer: number, erasedAt: number): void => {
  setAside.noteErasure(erasureCodec.encode({ customerKey: keyOf(customer), erasedAt, shard: 0 }));
  setAside.tend();
};
const left = (): string =>
  readdirSync(dir)
    .map((file) => readFileSync(join(dir, file), 'latin1'))
    .join('\n');

test('is dropped when the log would have dropped it, and counts until then', () => {
  add(eventOf(1));
  nowMs += DAY_MS;
  add(eventOf(2));
  const { bytes } = setAside;
  setAside.tend();
  expect(setAside.bytes).toBe(bytes);
  nowMs += 29 * DAY_MS;
  setAside.tend();
  expect(setAside.bytes).toBe(bytes / 2);
  expect(left()).not.toContain('<customer 1>');
  expect(left()).toContain('<customer 2>');
  nowMs += DAY_MS;
  setAside.tend();
  expect([setAside.bytes, readdirSync(dir)]).toEqual([0, []]);
});

test('an erasure takes what was accepted before it, of that customer alone', () => {
  add(eventOf(1), eventOf(2));
  nowMs += 1_000;
  add(eventOf(1));
  erase(1, nowMs - 500);
  expect(left().match(/<customer \d>/g)).toEqual(['<customer 2>', '<customer 1>']);
  expect(setAside.bytes).toBe(left().length);
  erase(1, nowMs);
  erase(2, nowMs);
  expect(readdirSync(dir)).toEqual([]);
});

test('what cannot be read may be anyone’s: it goes with an erasure after it, and hides nothing', () => {
  setAside.add(Buffer.from('a torn <customer 1>'));
  add(eventOf(2));
  erase(3, nowMs - 1);
  expect(left()).toContain('torn');
  erase(3, nowMs);
  expect(left()).not.toContain('torn');
  expect(left()).toContain('<customer 2>');
});
