import { describe, expect, test } from 'vitest';
import { parseRetentionDays, retentionChanges } from './retention.ts';

describe('how long the warehouse keeps rows', () => {
  test('one number for all tables, and exceptions', () => {
    expect(parseRetentionDays()).toMatchObject({ events: 400, dead_letters: 400 });
    expect(parseRetentionDays('90')).toMatchObject({ events: 90, decisions: 90 });
    expect(parseRetentionDays(' events=30 , 500, dead_letters=14')).toEqual({
      events: 30,
      decisions: 500,
      outcomes: 500,
      rewards: 500,
      communications: 500,
      dead_letters: 14,
    });
  });

  test('a slip is told with what was written and what may be', () => {
    for (const text of ['0', 'soon', '-1', '1.5', '99999', 'events=']) expect(() => parseRetentionDays(text)).toThrow(`"${text}"`);
    expect(() => parseRetentionDays('event=3')).toThrow(/"event=3" names no table; they are events, decisions/);
  });

  test('only tables that say otherwise are altered', () => {
    const wanted = parseRetentionDays('400,events=30');
    const engine = (days: number) => `ReplacingMergeTree ORDER BY a TTL toDateTime(recorded_at) + toIntervalDay(${days}) SETTINGS x = 1`;
    const engines = new Map(Object.keys(wanted).map((table) => [table, engine(400)]));
    expect(retentionChanges(engines, wanted)).toEqual([
      { table: 'events', days: 30, statement: 'ALTER TABLE events MODIFY TTL toDateTime(recorded_at) + toIntervalDay(30)' },
    ]);
    expect(retentionChanges(new Map(), wanted)).toHaveLength(6);
  });
});
