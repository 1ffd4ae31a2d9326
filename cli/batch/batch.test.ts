/** `attune decide` and `attune segment` on the embedded engines: files of decisions that go on where they were broken off, and orders on the log. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import {
  NO_CONTROLS,
  STATE_INPUTS,
  TOPICS,
  createCustomerKey,
  controlCodec,
  customerKeyToBytes,
  decisionCodec,
  decisionIdFromBytes,
  eventCodec,
  shardOf,
} from '#contracts';
import type { Decision, Topic } from '#contracts';
import type { EventLog, LogRecord } from '#event-log';
import { decodeState } from '#feature-store';
import { SILENT, createOutreachDesk, createStateRole } from '#pipeline';
import { loadProject } from '#project';
import { decide } from '../commands/decide.ts';
import { segment } from '../commands/segment.ts';
import { compileStateProject } from '../compile-state-project.ts';
import { readConfig } from '../config.ts';
import type { Config } from '../config.ts';
import { openIdKey } from '../id-key.ts';
import { openStores } from '../open-stores.ts';
import type { Stores } from '../open-stores.ts';

const FILES = {
  'project.yaml': `name: small
channels: { app: { directions: [inbound] }, sms: { directions: [outbound] } }
groups: { offer: { marketing: true } }
topics: [plan]
`,
  'actions/a.yaml': `actions:
  - { id: advice, name: Advice, group: offer, topic: plan, value: 10, explore: false, treatments: [{ channel: [sms, app], content: { body: 'Dear "{{customer.name|}}", hello' } }] }
  - { id: other, name: Other, group: offer, topic: plan, value: 10, explore: false, treatments: [{ channel: [sms, app], content: { body: Other } }] }
`,
  'policies.yaml': `shares: { random: 0, untouched: 0 }
none: { priority: -1 }
contactPolicy:
  - { id: per-day, reason: R., limit: { max: 1, days: 1, per: customer }, appliesTo: { directions: [outbound] } }
`,
  'events.yaml': 'events:\n  customer.updated: { data: { plan: "string?", name: { type: string, optional: true, personal: true } } }\n',
  'features.yaml': 'attributes: { plan: { type: string }, name: { type: string, personal: true } }\n',
  'rewards.yaml': `combine: max
outcomes: { impression: { target: 0 } }
channels: { sms: { window: 5d, cost: 0, implies: impression } }
default: { window: 3d, cost: 0 }
`,
  'channels.yaml': 'fallback: [sms]\nchannels:\n  sms: { adapter: file, address: name, settings: { path: sent.jsonl } }\n',
  'segments.yaml':
    "segments:\n  - { id: basic, when: customer.plan == 'basic', scope: { actions: [advice] }, channel: sms, perSecond: 2 }\n",
};
const BASIC = Array.from({ length: 7 }, (_, i) => `b-${i}`);
const OTHERS = ['p-0', 'p-1', 'p-2'];
let dir: string;
let config: Config;
let told: string[] = [];
const key = (customer: string): string => createCustomerKey(openIdKey(config))({ kind: 'customer', id: customer });

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attune-batch-'));
  mkdirSync(join(dir, 'catalog', 'actions'), { recursive: true });
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(dir, 'catalog', name), text);
  config = readConfig({ ATTUNE_DATA_DIR: join(dir, 'data'), ATTUNE_CATALOG: join(dir, 'catalog'), ATTUNE_LOG_LEVEL: 'silent' });
  await withStores(async ({ log }) => {
    const atMs = Date.now() - 1_000;
    const records = [...BASIC, ...OTHERS].map((customer) => ({
      topic: TOPICS.events,
      shard: shardOf(customer),
      value: eventCodec.encode({
        id: customer,
        source: 'test',
        type: 'customer.updated',
        subjectKind: 'customer',
        subjectId: customer,
        customerKey: Buffer.from(key(customer), 'hex'),
        time: atMs,
        receivedAt: atMs,
        data: JSON.stringify({ plan: customer.startsWith('b') ? 'basic' : 'premium', name: customer }),
      }),
    }));
    await log.append(records);
  });
  await fold();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

const withStores = async <T>(work: (stores: Stores) => Promise<T>): Promise<T> => {
  const stores = await openStores(config);
  try {
    return await work(stores);
  } finally {
    await stores.close();
  }
};
const inputs: readonly Topic[] = STATE_INPUTS;
const fold = (): Promise<void> =>
  withStores(async ({ log, store }) => {
    const project = compileStateProject(loadProject(config.catalogDir));
    const desk = createOutreachDesk({ ...project, scorer: () => null, controls: () => NO_CONTROLS });
    const role = createStateRole({ log, store, project, clock: Date.now, logger: SILENT, desk: () => desk });
    await role.start();
    await vi.waitUntil(async () => (await log.lag('state', inputs)) === 0, { timeout: 8_000, interval: 10 });
    await role.stop();
  });
const read = async (log: EventLog, topic: Topic): Promise<LogRecord[]> =>
  (await Promise.all(Array.from({ length: log.partitions }, (_, partition) => log.read(topic, partition, 0, 1_000)))).flat();
const decisions = (): Promise<Decision[]> =>
  withStores(async ({ log }) => (await read(log, TOPICS.decisions)).map(({ value }) => decisionCodec.decode(value)));
const run = async (command: typeof decide, ...args: string[]): Promise<string> => {
  told = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => void told.push(line));
  await command(config, args);
  return told.join('\n');
};
interface Line {
  readonly customerKey: string;
  readonly customerId: string | null;
  readonly decisionId: string;
  readonly actions: readonly { readonly actionId: string; readonly content: { readonly body: string } }[];
}
const linesOf = (path: string): Line[] =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

test('decides for a segment into a file, and goes on after a line that was broken off; what is decided is in the log and no message is made of it', async () => {
  const out = join(dir, 'basic.ndjson');
  expect(await run(decide, '--segment', 'basic', '--out', out, '--per-second', '1000')).toMatch(
    /^7 decided at [\d.]+ a second \(at most 1000\), nothing for 0/,
  );
  const lines = linesOf(out);
  expect(lines.map(({ customerKey }) => customerKey).toSorted()).toEqual(BASIC.map(key).toSorted());
  for (const { actions } of lines) {
    expect(actions).toMatchObject([{ actionId: 'advice' }]);
    expect(actions[0]!.content.body).toMatch(/^Dear "b-\d", hello$/);
  }
  const logged = await decisions();
  expect(logged.map(({ decisionId }) => decisionIdFromBytes(decisionId)).toSorted()).toEqual(
    lines.map(({ decisionId }) => decisionId).toSorted(),
  );
  expect(
    logged.every(
      ({ cause, direction, scope }) => cause === 'batch:basic' && direction === 'outbound' && scope === '{"actions":["advice"]}',
    ),
  ).toBe(true);

  // As if it had died in the middle of the sixth line.
  const text = readFileSync(out, 'utf8');
  const ends = [...text.matchAll(/\n/g)].map(({ index }) => index);
  writeFileSync(out, text.slice(0, ends[4]! + 30));
  expect(await run(decide, '--segment', 'basic', '--out', out, '--per-second', '1000')).toMatch(
    /has 5 customers already; it goes on after them\n2 decided/,
  );
  expect(linesOf(out).slice(0, 5)).toEqual(lines.slice(0, 5));
  expect(
    linesOf(out)
      .map(({ customerKey }) => customerKey)
      .toSorted(),
  ).toEqual(BASIC.map(key).toSorted());

  await fold();
  await withStores(async ({ log, store }) => {
    expect(await read(log, TOPICS.communications)).toEqual([]);
    // Whoever has the file delivers: it is a contact, as where Attune does not deliver.
    const bytes = await store.states.read(customerKeyToBytes(key('b-1') as never), shardOf('b-1'));
    const state = decodeState(bytes!, compileStateProject(loadProject(config.catalogDir)).featureSet);
    expect(state.contacts.length).toBeGreaterThan(0);
    expect(state.contacts[0]).toMatchObject({ actionId: 'advice', channel: 'sms', direction: 'outbound' });
  });
  // The policy knows of it.
  expect(await run(decide, '--segment', 'basic', '--out', join(dir, 'again.ndjson'), '--per-second', '1000')).toMatch(
    /7 decided.*nothing for 7/,
  );
});

test('decides for the customers of a file of whom a condition holds, with their ids, into a table; at the rate that was stated', async () => {
  const customers = join(dir, 'customers.csv');
  writeFileSync(customers, `customerId,note\n${[...BASIC, ...OTHERS, 'stranger', 'b-0'].map((id) => `${id},x`).join('\n')}\n`);
  const out = join(dir, 'table.csv');
  const args = ['--customers', customers, '--when', "customer.plan == 'basic'", '--channel', 'app', '--out', out];
  const beganMs = performance.now();
  expect(await run(decide, ...args, '--per-second', '20')).toMatch(/^7 decided at .* \(at most 20\).*; 4 do not belong/);
  // Portions of four: the second one waits for the first's fifth of a second.
  expect(performance.now() - beganMs).toBeGreaterThan(200);
  const [header, ...lines] = readFileSync(out, 'utf8').trimEnd().split('\n');
  expect(header).toMatch(/^customerKey,customerId,decisionId,/);
  expect(lines.map((line) => line.split(',')[1])).toEqual(BASIC);
  expect(lines.filter((line) => line.includes(',advice,')).every((line) => /"\{""body"":""Dear \\""b-\d\\"", hello""\}"$/.test(line))).toBe(
    true,
  );
  expect(await run(decide, ...args)).toMatch(/has 7 customers already.*\n0 decided/);
});

test('refuses what it cannot do, and touches no file that is not its own', async () => {
  const out = join(dir, 'x.ndjson');
  await expect(decide(config, ['--segment', 'basic'])).rejects.toThrow(/--out/);
  await expect(decide(config, ['--out', out])).rejects.toThrow(/needs --segment ID, --when/);
  await expect(decide(config, ['--segment', 'basics', '--out', out])).rejects.toThrow(/no segment 'basics' \(basic\)/);
  await expect(decide(config, ['--when', 'customer.plam == "x"', '--channel', 'app', '--out', out])).rejects.toThrow(/did you mean 'plan'/);
  await expect(decide(config, ['--when', 'true', '--out', out])).rejects.toThrow(/--channel is needed/);
  await expect(decide(config, ['--when', 'true', '--channel', 'app', '--direction', 'outbound', '--out', out])).rejects.toThrow(
    /inbound only/,
  );
  const foreign = join(dir, 'foreign.csv');
  writeFileSync(foreign, 'a,b\n1,2\n');
  await expect(decide(config, ['--when', 'true', '--channel', 'app', '--out', foreign])).rejects.toThrow(/line 1 of .* is not of a batch/);
  expect(readFileSync(foreign, 'utf8')).toBe('a,b\n1,2\n');
});

test('attune segment counts without contacting anybody, and gives its orders through the log', async () => {
  const before = (await decisions()).length;
  expect(await run(segment, 'count', 'basic')).toBe('7 of 10 customers belong to basic: 4 s at 2 a second');
  expect(await decisions()).toHaveLength(before);
  expect(await run(segment, 'list')).toMatch(/^basic +no run yet; by order only$/);
  await expect(segment(config, ['run', 'basics'])).rejects.toThrow(/there is no segment 'basics'; there are basic/);
  await expect(segment(config, ['start', 'basic'])).rejects.toThrow(/list, count, run, stop and resume/);
  await run(segment, 'run', 'basic', '--actor', 'ana', '--reason', 'spring');
  await run(segment, 'stop', 'basic', '--actor', 'ben');
  const controls = await withStores(async ({ log }) => (await read(log, TOPICS.controls)).map(({ value }) => controlCodec.decode(value)));
  expect(controls.map(({ segmentOrders }) => segmentOrders)).toMatchObject([
    [{ segmentId: 'basic', order: 'run', by: 'ana', reason: 'spring' }],
    [{ segmentId: 'basic', order: 'stop', by: 'ben' }],
  ]);
});
