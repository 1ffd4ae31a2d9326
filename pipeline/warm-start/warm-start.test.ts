import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { hashUnit, UNKNOWN_CUSTOMER, type ActionProfile } from '#contracts';
import { createLearner, createVersion, genericEncoder, type Learner } from '#models';
import { openSource } from '../import/open-source.ts';
import { planHistory, type HistoryMapping } from './plan-history.ts';
import { warmStart, type WarmStarted } from './warm-start.ts';

const dir = mkdtempSync(join(tmpdir(), 'attune-warm-start-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const profiles = new Map<string, ActionProfile>();
const profileOf = (id: string): ActionProfile => {
  const profile = profiles.get(id) ?? { id, features: {} };
  profiles.set(id, profile);
  return profile;
};
interface Taught extends WarmStarted {
  readonly learner: Learner;
  readonly faults: readonly string[];
}
const teach = async (
  name: string,
  content: string,
  mapping: HistoryMapping = {},
  more: { mostFaults?: number; cap?: number } = {},
): Promise<Taught> => {
  const path = join(dir, name);
  writeFileSync(path, content);
  const source = await openSource(path);
  const learner = createLearner({ loop: 'mail', encoder: genericEncoder(), seed: 7 });
  const faults: string[] = [];
  const taught = await warmStart({
    source,
    plan: planHistory(source.columns, mapping),
    learner,
    fileHash: name,
    atMs: Date.UTC(2026, 0, 1),
    profileOf,
    features: { names: [], defaults: [], fingerprint: '' },
    isAttribute: () => false,
    learnsRates: false,
    cap: 10,
    mostFaults: 0,
    onFault: (line, why) => void faults.push(`${line} ${why}`),
    ...more,
  });
  return { ...taught, learner, faults };
};

const view = { ...UNKNOWN_CUSTOMER, known: true };
const bestFor = (learner: Learner, plan: string): string => {
  const { versionBlob, snapshotBlob } = learner.publish();
  const out = { propensities: new Float32Array(2), effectiveN: new Float32Array(2) };
  const request = { view, context: { plan }, channel: '', direction: 'inbound', placement: null, nowMs: Date.UTC(2026, 0, 2) } as const;
  createVersion(versionBlob).open(snapshotBlob).score(request, ['fiber', 'mobile'].map(profileOf), out);
  return out.propensities[0]! > out.propensities[1]! ? 'fiber' : 'mobile';
};

/** Fiber for those on copper, mobile for the others; who decided nearly always showed fiber. */
const rows = Array.from({ length: 600 }, (_, i) => {
  const plan = i % 2 === 0 ? 'copper' : 'prepaid';
  const action = hashUnit(`a${i}`) < 0.8 ? 'fiber' : 'mobile';
  const rate = (plan === 'copper') === (action === 'fiber') ? 0.6 : 0.1;
  return { action, reward: hashUnit(`r${i}`) < rate ? 1 : 0, probability: action === 'fiber' ? 0.8 : 0.2, plan };
});
const csv = [
  'what,worked,p,plan',
  ...rows.map(({ action, reward, probability, plan }) => `${action},${reward},${probability},${plan}`),
].join('\n');
const MAPPING = { action: 'what', reward: 'worked', probability: 'p' };

test('a model knows from its first decision what the log shows, whatever the file’s format', async () => {
  const cold = createLearner({ loop: 'mail', encoder: genericEncoder(), seed: 7 });
  const taught = await teach('history.csv', csv, MAPPING);
  expect(taught).toMatchObject({ rows: 600, refused: 0, actions: 2, isWeighted: true });
  expect([bestFor(taught.learner, 'copper'), bestFor(taught.learner, 'prepaid')]).toEqual(['fiber', 'mobile']);
  expect(bestFor(cold, 'copper')).toBe(bestFor(cold, 'prepaid'));
  const jsonl = rows.map(({ action, reward, plan }) => JSON.stringify({ action, reward, plan })).join('\n');
  const other = await teach('history.jsonl', jsonl);
  expect(other).toMatchObject({ rows: 600, taught: 600, isWeighted: false });
  expect([bestFor(other.learner, 'copper'), bestFor(other.learner, 'prepaid')]).toEqual(['fiber', 'mobile']);
});

test('what was rarely shown counts more, up to the cap, and the same file teaches the same', async () => {
  const [once, again] = [await teach('same.csv', csv, MAPPING), await teach('same.csv', csv, MAPPING)];
  expect(Buffer.compare(once.learner.checkpoint(), again.learner.checkpoint())).toBe(0);
  // Σ 1/(K p) over rows drawn by p is the number of rows.
  expect(Math.abs(once.taught - 600)).toBeLessThan(70);
  const capped = await teach('same.csv', csv, MAPPING, { cap: 1 });
  expect(capped.taught).toBeLessThan(once.taught);
});

test('a row that cannot be used is told by its line, and too many of them refuse the whole', async () => {
  const bad = 'action,reward,probability,time\nfiber,1,0.5,2026-01-01\n,1,0.5,\nfiber,much,0.5,\nfiber,1,1.5,\nfiber,1,0.5,someday\n';
  const { rows: good, faults } = await teach('bad.csv', bad, {}, { mostFaults: 4 });
  expect(good).toBe(1);
  expect(faults).toEqual([
    '3 names no action',
    '4 has the reward "much", which is no number',
    '5 has the probability "1.5", which is not above 0 and up to 1',
    '6 has the time "someday", which is neither ISO 8601 nor a number since 1970',
  ]);
  await expect(teach('bad.csv', bad, {}, { mostFaults: 2 })).rejects.toThrow(/line 5: it has the probability/);
  await expect(teach('none.csv', 'action,reward\n')).rejects.toThrow(/no row/);
  await expect(teach('lines.jsonl', '{"action":"fiber","reward":1}\n{"action":\n[1]\n', {}, { mostFaults: 2 })).resolves.toMatchObject({
    rows: 1,
    faults: [expect.stringMatching(/^2 is no JSON: /), '3 is no JSON object'],
  });
});

test('a mapping that names a column which is not there says which there are', () => {
  expect(() => planHistory(['a', 'b'], {})).toThrow('there is no column "action" for action; the file has a, b');
  expect(() => planHistory(['action', 'reward'], { ignore: ['c'] })).toThrow('the mapping names a column "c"');
  expect(() => planHistory(['action', 'reward'], { time: 'when' })).toThrow('there is no column "when" for time');
});
