/** Snapshots on disk: found, pruned, forgotten by erasures, and refused when they are not what was written. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HOUR_MS, STATE_INPUTS, TOPICS, customerKeyToBytes, erasureCodec, shardOf } from '#contracts';
import type { DocumentWrite } from '#feature-store';
import { SILENT } from '../role.ts';
import { createStateRole } from '../state/state-role.ts';
import type { StateRole } from '../state/state-role.ts';
import { aDecision, anEvent, customerKey, openWorld, stateOf, until } from '../test-world.ts';
import type { World } from '../test-world.ts';
import { readChunk } from './chunk-file.ts';
import { rebuild } from './rebuild.ts';
import { scrubSnapshots } from './scrub-snapshots.ts';
import { listSnapshots, pruneSnapshots } from './snapshot.ts';
import { takeSnapshot } from './take-snapshot.ts';

let world: World;
let role: StateRole;
let nowMs = Date.now();
const clock = (): number => nowMs;
const root = (): string => join(world.dir, 'snapshots');

beforeEach(async () => {
  world = await openWorld();
  const { log, store, project } = world;
  role = createStateRole({ log, store, project, clock, logger: SILENT, timerPollMs: 20, rebuildPollMs: 20 });
  await role.start();
});
afterEach(async () => {
  await role.stop();
  await world.close();
});

const settled = (): Promise<void> =>
  until(async () => (await world.log.lag('state', STATE_INPUTS)) + (await world.log.lag('state-erasures', [TOPICS.erasures])) === 0);
const take = () => takeSnapshot({ log: world.log, store: world.store, root: root(), clock, blobNames: ['catalog/1', 'catalog/none'] });
const rebuildFrom = (snapshot: Parameters<typeof rebuild>[0]['snapshot'], acceptLoss = false) =>
  rebuild({ log: world.log, store: world.store, project: world.project, logger: SILENT, settleMs: 60, snapshot, acceptLoss });
const tell = async (customer: string, id: string, plan: string): Promise<void> => {
  const data = { plan, name: `Name of ${customer}` };
  await world.log.append([anEvent(customer, id, 'customer.updated', data, Date.now(), Date.now())]);
  await settled();
};
const aDocument = (customer: string): DocumentWrite => ({
  id: customer,
  customerKey: customerKeyToBytes(customerKey(customer)),
  state: 'sent',
  atMs: Date.now() - HOUR_MS,
  dueMs: null,
  body: Buffer.from('{}'),
});

const erase = async (customer: string, shard = shardOf(customer)): Promise<void> => {
  const key = customerKeyToBytes(customerKey(customer));
  const value = erasureCodec.encode({ customerKey: key, erasedAt: Date.now(), shard: shardOf(customer) });
  await world.log.append([{ topic: TOPICS.erasures, shard, key, value }]);
  await settled();
};

/** Values of all chunks as text. */
const contentOf = async (dir: string): Promise<string> => {
  const chunks = readdirSync(dir).filter((name) => name.endsWith('.chunk'));
  const records = await Promise.all(chunks.map((name) => readChunk(join(dir, name))));
  return records
    .flat()
    .map(({ value }) => value.toString('latin1'))
    .join('\n');
};

describe('snapshots', () => {
  test('the newest are kept with the blobs that they name', async () => {
    await world.store.blobs.put(Buffer.from('the catalog'), 'catalog/1');
    for (let i = 0; i < 3; i++) {
      await tell('c-1', `e${i}`, 'basic');
      await take();
      nowMs += HOUR_MS;
    }
    const [newest, older] = await listSnapshots(root());
    expect(newest!.manifest.blobs.map(({ name }) => name)).toEqual([expect.stringMatching(/^feature-set\//), 'catalog/1']);
    writeFileSync(join(root(), 'blobs', 'left-over'), 'x');
    expect(await pruneSnapshots(root(), 2)).toHaveLength(1);
    expect((await listSnapshots(root())).map(({ name }) => name)).toEqual([newest!.name, older!.name]);
    expect(readdirSync(join(root(), 'blobs'))).toHaveLength(2);
  });

  test('an erased customer goes from what is kept, and does not come back by a rebuild; one who came back does', async () => {
    await tell('gone', 'e1', 'basic');
    await tell('stays', 'e1', 'basic');
    await tell('returns', 'e1', 'basic');
    await erase('returns');
    await tell('returns', 'e2', 'premium');
    const snapshot = await take();
    expect(await contentOf(snapshot.dir)).toMatch(/Name of gone/);
    await erase('gone');
    // As an older copy of the store's files brings them back.
    for (const customer of ['gone', 'stays']) await world.store.documents.put('communication', aDocument(customer), null);
    await rebuildFrom(snapshot);
    expect(await stateOf(world, 'gone')).toBeNull();
    const { documents } = await world.store.documents.list('communication', { limit: 10 });
    expect(documents.map(({ id }) => id)).toEqual(['stays']);
    expect(await scrubSnapshots(world.log, root())).toBe(1);
    expect(await contentOf(snapshot.dir)).not.toMatch(/Name of gone/);
    expect(await contentOf(snapshot.dir)).toMatch(/Name of stays/);
    expect(await scrubSnapshots(world.log, root())).toBe(0);
    await rebuildFrom(snapshot);
    expect(await stateOf(world, 'gone')).toBeNull();
    expect((await stateOf(world, 'returns'))!.attribute('plan')).toBe('premium');
    expect((await stateOf(world, 'stays'))!.attribute('plan')).toBe('basic');
  });

  test('who came back after an erasure stays, also where the topic of erasures has other partitions than the log', async () => {
    await tell('returns', 'e1', 'basic');
    // As after a raise: the topic kept its own number of partitions.
    await erase('returns', shardOf('returns') + 1);
    await tell('returns', 'e2', 'premium');
    await tell('gone', 'e1', 'basic');
    const snapshot = await take();
    await erase('gone', shardOf('gone') + 1);
    expect(await scrubSnapshots(world.log, root())).toBe(1);
    expect(await contentOf(snapshot.dir)).toMatch(/Name of returns/);
    await rebuildFrom(snapshot);
    expect((await stateOf(world, 'returns'))!.attribute('plan')).toBe('premium');
    expect(await stateOf(world, 'gone')).toBeNull();
  });

  test('a customer whom the store named twice is restored once', async () => {
    await tell('c-1', 'e1', 'basic');
    const { states } = world.store;
    const scan: typeof states.scan = async function* (kind) {
      yield* states.scan(kind);
      if (kind === 'state') await tell('c-1', 'e2', 'premium');
      yield* states.scan(kind);
    };
    const store = { ...world.store, states: { ...states, scan } };
    const snapshot = await takeSnapshot({ log: world.log, store, root: root(), clock });
    expect(snapshot.manifest.partitions.reduce((sum, { states: count }) => sum + count, 0)).toBe(2);
    await rebuild({ log: world.log, store, project: world.project, logger: SILENT, settleMs: 60, snapshot });
    expect((await stateOf(world, 'c-1'))!.attribute('plan')).toBe('premium');
  });

  test('a file that changed is refused by name', async () => {
    await tell('c-1', 'e1', 'basic');
    const snapshot = await take();
    const path = join(
      snapshot.dir,
      readdirSync(snapshot.dir).find((name) => name.endsWith('.chunk'))!,
    );
    const bytes = readFileSync(path);
    bytes[bytes.length - 40]! ^= 1;
    writeFileSync(path, bytes);
    await expect(rebuildFrom(snapshot)).rejects.toThrow(/chunk is not what was written/);
  });

  test('a log that no longer reaches back to it is refused before anything is touched, with what would be lost', async () => {
    await tell('c-1', 'e1', 'basic');
    const snapshot = await take();
    await world.log.append([
      aDecision('c-1', 1, 'offer-fiber', { decidedAt: Date.now() }),
      anEvent('c-1', 'e2', 'page.viewed', { page: 'home' }),
    ]);
    await settled();
    const requiredGroups = [{ group: 'state', topics: STATE_INPUTS }];
    // The log forgets a moment after it took.
    await until(async () => (await world.log.retain({ nowMs: Date.now() + 10 * HOUR_MS, maxAgeMs: 1, requiredGroups })) > 0);
    await expect(rebuildFrom(snapshot)).rejects.toThrow(
      /no longer reaches back to the snapshot .*\n.*attune\.events partition \d: offsets/,
    );
    await expect(rebuildFrom(null)).rejects.toThrow(/to its beginning/);
    expect((await stateOf(world, 'c-1'))!.pending).toHaveLength(1);
    await rebuildFrom(snapshot, true);
    expect((await stateOf(world, 'c-1'))!.pending).toHaveLength(0);
    expect((await stateOf(world, 'c-1'))!.attribute('plan')).toBe('basic');
  });

  test('a second rebuild is refused while one is under way', async () => {
    await tell('c-1', 'e1', 'basic');
    const first = rebuildFrom(null);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await expect(rebuildFrom(null)).rejects.toThrow(/another rebuild is under way/);
    await first;
  });
});
