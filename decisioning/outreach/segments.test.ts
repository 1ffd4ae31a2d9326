/** segments.yaml: what is compiled, what is refused and where; and when a schedule is due, clocks that change included. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { HOUR_MS } from '#contracts';
import { ProjectError, createProject, loadProject } from '#project';
import { compileCatalog, compileSegmentWhen, compileSegments, isIn, lastDue, nextDue, planOfSegment } from '../index.ts';
import type { Schedule } from '../index.ts';
import { NOW, createView } from '../testing/fixtures.ts';

const FILES = {
  'project.yaml': `name: t
timeZone: Europe/Berlin
channels: { app: { directions: [inbound] }, sms: { directions: [outbound] } }
groups: [offer]
topics: [plan]
context: [reason]
`,
  'actions/a.yaml': `actions:
  - { id: a, name: A, group: offer, topic: plan, value: 1, treatments: [{ channel: sms, direction: outbound, content: { body: T } }] }
  - { id: b, name: B, group: offer, topic: plan, value: 1, treatments: [{ channel: app, content: { body: T } }] }
`,
  'events.yaml': 'events:\n  usage.high: { data: {} }\n',
  'features.yaml': 'attributes: { plan: { type: string } }\nfeatures: { calls30d: { aggregate: count, event: usage.high, window: 30d } }\n',
};
const projectWith = (segments: string | null) =>
  createProject(new Map(Object.entries({ ...FILES, ...(segments === null ? {} : { 'segments.yaml': segments }) })));
const compile = (segments: string | null) => compileSegments(projectWith(segments), compileCatalog(projectWith(segments)));
const faultsOf = (segments: string): string => {
  try {
    compile(segments);
  } catch (error) {
    if (error instanceof ProjectError) return error.message;
    throw error;
  }
  return '';
};

describe('segments', () => {
  const segments = compile(`segments:
  - id: quiet
    description: D
    when: customer.plan == "basic" && features.calls30d < 3
    scope: { actions: [a] }
    context: { reason: billing }
    schedule: { at: '10:00', on: [mon, 15] }
    perSecond: 5
  - { id: everybody, when: 'true', channel: sms, expire: 2h }
`);
  const [quiet, everybody] = segments.all;

  test('hold the customers for whom the condition holds, as they stand', () => {
    const matching = (options: Parameters<typeof createView>[0]) =>
      segments.all.filter((one) => isIn(one, createView(options))).map(({ id }) => id);
    expect(matching({ attributes: { plan: 'basic' }, features: { calls30d: 2 } })).toEqual(['quiet', 'everybody']);
    expect(matching({ attributes: { plan: 'basic' }, features: { calls30d: 3 } })).toEqual(['everybody']);
    expect(matching({ attributes: {}, features: { calls30d: 0 } })).toEqual(['everybody']);
  });

  test('say what is decided when a customer’s turn comes, when they are due and how fast they go', () => {
    expect(planOfSegment(quiet!, NOW)).toEqual({
      cause: 'segment:quiet',
      channel: '',
      scope: '{"actions":["a"]}',
      context: '{"reason":"billing"}',
      dueMs: NOW,
      expiresAtMs: NOW + 24 * HOUR_MS,
    });
    expect(planOfSegment(everybody!, NOW)).toMatchObject({ channel: 'sms', scope: '', expiresAtMs: NOW + 2 * HOUR_MS });
    expect(quiet).toMatchObject({
      schedule: { minute: 600, weekdays: [1], monthDays: [15], timeZone: 'Europe/Berlin' },
      perSecond: 5,
    });
    expect(everybody).toMatchObject({ schedule: null, perSecond: 20 });
  });

  test('are none without a file, and a condition by hand is checked like one of a file', () => {
    expect(compile(null).all).toEqual([]);
    const project = projectWith(null);
    expect(isIn(compileSegmentWhen(project, 'customer.plan == "x"'), createView({ attributes: { plan: 'x' } }))).toBe(true);
    expect(() => compileSegmentWhen(project, 'customer.plam == "x"')).toThrow(/'customer.plam' is not defined; did you mean 'plan'/);
    expect(() => compileSegmentWhen(project, '1 +')).toThrow(/Unexpected token/);
  });

  test.each([
    ['- { id: x }', /segments.yaml:2:\d+: 'when' is required/],
    ['- { id: x, when: customer.plam == "a" }', /segments.yaml:2:\d+: 'customer.plam' is not defined; did you mean 'plan'/],
    ['- { id: x, when: features.calls > 1 }', /'features.calls' is not defined/],
    ['- { id: x, when: event.type == "a" }', /event/],
    ['- { id: x, when: "1 +" }', /segments.yaml:2/],
    ['- { id: X!, when: "true" }', /must be small letters, digits/],
    ['- { id: x, when: "true", channel: app }', /the channel 'app' is inbound only/],
    ['- { id: x, when: "true", scope: { actions: [b] } }', /no action of this scope has an outbound treatment/],
    ['- { id: x, when: "true", context: { page: a } }', /'context.page' is not defined in project.yaml/],
    ['- { id: x, when: "true", perSecond: 0 }', /'perSecond' must lie between/],
    ['- { id: x, when: "true", expire: 3 }', /'expire' must be a duration/],
    ['- { id: x, when: "true", schedule: { on: [mon] } }', /'at' is required/],
    ["- { id: x, when: 'true', schedule: { at: '25:00' } }", /'at' must be a time of day such as '09:30', not '25:00'/],
    ["- { id: x, when: 'true', schedule: { at: '9:00', on: [monday] } }", /a day is one of mon, tue/],
    ["- { id: x, when: 'true', schedule: { at: '09:00', on: [32] } }", /1 to 31, not 32/],
    ["- { id: x, when: 'true', schedule: { at: '09:00', timeZone: Berlin } }", /'Berlin' is not a time zone/],
    ["- { id: x, when: 'true', evry: 1d }", /unknown field 'evry'/],
    ["- { id: x, when: 'true' }\n  - { id: x, when: 'true' }", /segments.yaml:3:\d+: the id 'x' is used twice/],
  ])('refuse %s', (segment, message) => {
    expect(faultsOf(`segments:\n  ${segment}\n`)).toMatch(message);
  });

  test('beyond what a customer can remember are refused', () => {
    const many = Array.from({ length: 33 }, (_, i) => `  - { id: s${i}, when: 'true' }`).join('\n');
    expect(faultsOf(`segments:\n${many}\n`)).toMatch(/there are 33 segments/);
  });

  test('of the telco catalog compile', () => {
    const project = loadProject(fileURLToPath(new URL('../../catalog/telco', import.meta.url)));
    expect(compileSegments(project, compileCatalog(project)).all.length).toBeGreaterThan(1);
  });
});

describe('a schedule', () => {
  const daily = (more: Partial<Schedule> = {}): Schedule => ({
    minute: 150,
    weekdays: [],
    monthDays: [],
    timeZone: 'Europe/Berlin',
    ...more,
  });
  const at = (text: string): number => Date.parse(text);
  const told = (ms: number): string => new Date(ms).toISOString().slice(0, 16);

  test.each([
    ['every day', daily(), '2026-12-01T12:00Z', '2026-12-01T01:30', '2026-12-02T01:30'],
    ['at the very moment', daily(), '2026-12-01T01:30Z', '2026-12-01T01:30', '2026-12-02T01:30'],
    ['just before it', daily(), '2026-12-01T01:29Z', '2026-11-30T01:30', '2026-12-01T01:30'],
    ['on Mondays and Thursdays', daily({ weekdays: [1, 4] }), '2026-12-01T12:00Z', '2026-11-30T01:30', '2026-12-03T01:30'],
    ['on the 31st', daily({ monthDays: [31] }), '2027-02-01T12:00Z', '2027-01-31T01:30', '2027-03-31T00:30'],
    ['when clocks skip the time', daily(), '2026-03-29T12:00Z', '2026-03-29T01:30', '2026-03-30T00:30'],
    ['when clocks show the time twice', daily(), '2026-10-25T12:00Z', '2026-10-25T01:30', '2026-10-26T01:30'],
    ['where it is tomorrow already', daily({ timeZone: 'Pacific/Auckland' }), '2026-12-01T14:00Z', '2026-12-01T13:30', '2026-12-02T13:30'],
    [
      'where it is yesterday still',
      daily({ timeZone: 'Pacific/Honolulu', minute: 23 * 60 }),
      '2026-12-01T05:00Z',
      '2026-11-30T09:00',
      '2026-12-01T09:00',
    ],
  ])('is due %s', (_, schedule, now, last, next) => {
    expect(told(lastDue(schedule, at(now)))).toBe(last);
    expect(told(nextDue(schedule, at(now)))).toBe(next);
  });
});
