import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TOPICS, modelCodec, shardOf, type ModelRecord } from '#contracts';
import type { Learner } from '#models';
import { SILENT } from '../role.ts';
import { START_MS, aDecision, decisionId, openWorld, readTopic, until } from '../test-world.ts';
import type { World } from '../test-world.ts';
import { createLearnRole } from './learn-role.ts';
import { aReward, ledgerLearner } from './test-ledger.ts';
import type { Ledger } from './test-ledger.ts';

let world: World;
let roles: ReturnType<typeof createLearnRole>[] = [];
/** What each version's learner holds, whatever process it lives in now. */
let ledgers: Map<string, Ledger>;

beforeEach(async () => {
  world = await openWorld();
  ledgers = new Map();
});
afterEach(async () => {
  for (const role of roles) await role.stop();
  roles = [];
  await world.close();
});

const keep = (ledger: Ledger): Learner => {
  ledgers.set(ledger.version ?? 'ledger', ledger);
  return ledgerLearner(ledger);
};
const start = async () => {
  const role = createLearnRole({
    log: world.log,
    store: world.store,
    dir: join(world.dir, 'learn'),
    createLearner: (loop) =>
      ledgers.has('ledger') ? ledgerLearner({ loop, snapshot: 0, rows: {} }) : keep({ loop, snapshot: 0, rows: {} }),
    createLearnerOf: (blob) => keep({ loop: '', version: Buffer.from(blob).toString(), snapshot: 0, rows: {} }),
    restoreLearner: (bytes) => keep(JSON.parse(Buffer.from(bytes).toString('utf8')) as Ledger),
    featureSet: () => world.project.featureSet,
    personal: () => world.personal,
    profiles: async () => (id) => ({ id, features: {} }),
    clock: () => Date.now(),
    logger: SILENT,
    publishEveryMs: 20,
    ttlDays: 10_000,
  });
  roles.push(role);
  await role.start();
  return role;
};
const announce = async (version: string, role: ModelRecord['role'], more: Partial<ModelRecord> = {}) => {
  const record: ModelRecord = {
    loop: '',
    version,
    snapshot: 0,
    role,
    blob: await world.store.blobs.put(Buffer.from(version)),
    at: Date.now(),
    experiences: 0,
    watermark: 0,
    kept: true,
    note: '',
    checkpoint: null,
    checkpointAt: 0,
    posterior: null,
    posteriorUntil: 0,
    roleAt: 0,
    ...more,
  };
  const key = Buffer.from(`/${version}${record.snapshot === 0 ? '/0' : ''}`);
  await world.log.append([{ topic: TOPICS.models, shard: shardOf(''), key, value: modelCodec.encode(record) }]);
};
const said = async (version: string) =>
  (await readTopic(world.log, TOPICS.models)).map(({ value }) => modelCodec.decode(value)).filter((one) => one.version === version);
const decided = (number: number, atMs = START_MS + number) => aDecision(`c-${number % 5}`, number, 'offer-fiber', { decidedAt: atMs });
const idOf = (number: number, atMs = START_MS + number) => `${decisionId(`c-${number % 5}`, number, atMs)}/1`;
const rewarded = (number: number, revision: number, target: number | null) => {
  const at = START_MS + number;
  return aReward(`c-${number % 5}`, number, revision, target, '', at);
};

test('a challenger that is announced under load ends with every row once, those of its posterior not again, and is published as one', async () => {
  await start();
  await world.log.append(Array.from({ length: 300 }, (_, n) => [decided(n), rewarded(n, 1, 0)]).flat());
  await until(() => Object.keys(ledgers.get('ledger')!.rows).length === 300);
  // The first hundred are in its posterior: their rewards are final.
  const rows = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [idOf(n), { shown: 1, target: 0 }]));
  const posterior = await world.store.blobs.put(Buffer.from(JSON.stringify({ loop: '', version: 'trained', snapshot: 0, rows })));
  await announce('trained', 'challenger', { posterior, posteriorUntil: START_MS + 100 });
  // While it catches up: new rows, corrections behind and beyond the point that it has reached.
  for (let n = 300; n < 700; n += 20) {
    await world.log.append(Array.from({ length: 20 }, (_, i) => [decided(n + i), rewarded(n + i, 1, 0)]).flat());
    await world.log.append(Array.from({ length: 20 }, (_, i) => rewarded(100 + ((n + i * 37) % 200), 2 + Math.floor(n / 20), i % 2)));
  }
  await until(() => Object.keys(ledgers.get('ledger')!.rows).length === 700);
  await until(async () => (await said('trained')).some(({ snapshot }) => snapshot > 0), 15_000);
  await until(() => Object.keys(ledgers.get('trained')?.rows ?? {}).length === 700);
  await until(() => JSON.stringify(sorted(ledgers.get('trained')!.rows)) === JSON.stringify(sorted(ledgers.get('ledger')!.rows)));
  expect(Object.values(ledgers.get('trained')!.rows).every(({ shown }) => shown === 1)).toBe(true);
  expect(new Set((await said('trained')).map(({ role }) => role))).toEqual(new Set(['challenger']));
  expect((await said('ledger')).at(-1)!.role).toBe('champion');
});

test('it goes on from its checkpoint after a restart, is published as the champion once promoted, and let go when it retires', async () => {
  let role = await start();
  await announce('trained', 'challenger');
  await world.log.append(Array.from({ length: 50 }, (_, n) => [decided(n), rewarded(n, 1, 0)]).flat());
  await until(() => Object.keys(ledgers.get('trained')?.rows ?? {}).length === 50);
  await role.stop();
  roles = [];
  role = await start();
  await world.log.append([decided(50), rewarded(50, 1, 0), rewarded(7, 2, 1)]);
  await until(() => ledgers.get('trained')!.rows[idOf(7)]!.target === 1 && idOf(50) in ledgers.get('trained')!.rows);
  expect(Object.values(ledgers.get('trained')!.rows).every(({ shown }) => shown === 1)).toBe(true);

  const [newest] = (await said('trained')).filter(({ snapshot }) => snapshot > 0).toReversed();
  await announce('trained', 'champion', { ...newest!, role: 'champion', note: 'ana: better', roleAt: Date.now() });
  await world.log.append([rewarded(8, 2, 1)]);
  await until(async () => {
    const [last] = (await said('trained')).toReversed();
    return last!.role === 'champion' && last!.snapshot > newest!.snapshot;
  });
  await until(async () => (await said('ledger')).at(-1)!.role === 'previous');
  await world.log.append([rewarded(9, 2, 1)]);
  const [own] = (await said('ledger')).toReversed();
  await announce('ledger', 'champion', { ...own!, role: 'champion', note: 'ana: back', roleAt: Date.now() });
  await world.log.append([rewarded(10, 2, 1)]);
  await until(async () => (await said('trained')).at(-1)!.role === 'previous');
  await announce('trained', 'retired', { ...newest!, role: 'retired', note: 'ana: worse', roleAt: Date.now() });
  await until(() => role.metrics()['challengers'] === 0);
});

const sorted = (rows: Ledger['rows']) => Object.entries(rows).toSorted(([a], [b]) => (a < b ? -1 : 1));
