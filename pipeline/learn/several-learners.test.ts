import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TOPICS, modelCodec } from '#contracts';
import type { ModelRecord } from '#contracts';
import type { AppendRecord } from '#event-log';
import { SILENT } from '../role.ts';
import { aDecision, decisionId, openWorld, readTopic, until } from '../test-world.ts';
import type { World } from '../test-world.ts';
import { announce } from './announce.ts';
import { openExperienceStore } from './experience-store.ts';
import { createLearnRole } from './learn-role.ts';
import type { LearnRole } from './learn-role.ts';
import type { LearnRoleDeps } from './learn-role-deps.ts';
import { openLearnerHome } from './learner-home.ts';
import { aReward, ledgerLearner } from './test-ledger.ts';
import type { Ledger } from './test-ledger.ts';

/** Long enough for a busy machine, short enough to wait for. */
const LEASE_MS = 1_200;

interface Process {
  readonly role: LearnRole;
  /** What its catalog's learner holds. */
  readonly ledger: () => Ledger;
}

let world: World;
let processes: Process[] = [];
beforeEach(async () => {
  world = await openWorld();
});
afterEach(async () => {
  for (const { role } of processes) await role.stop();
  processes = [];
  await world.close();
});

const start = async (name: string, more: Partial<LearnRoleDeps> & { readonly version?: string } = {}): Promise<Process> => {
  const { version = 'ledger', ...deps } = more;
  let fresh: Ledger = { loop: '', version, snapshot: 0, rows: {} };
  let restored: Ledger | null = null;
  const role = createLearnRole({
    log: world.log,
    store: world.store,
    dir: join(world.dir, name),
    groupOf: () => `learn-${name}`,
    createLearner(loop) {
      const ledger = { loop, version, snapshot: 0, rows: {} };
      if (loop === '') fresh = ledger;
      return ledgerLearner(ledger);
    },
    restoreLearner(bytes) {
      const ledger = JSON.parse(Buffer.from(bytes).toString('utf8')) as Ledger;
      if (ledger.loop === '' && ledger.version === version) restored = ledger;
      return ledgerLearner(ledger);
    },
    featureSet: () => world.project.featureSet,
    personal: () => world.personal,
    profiles: async () => (id) => ({ id, features: {} }),
    clock: () => Date.now(),
    logger: SILENT,
    publishEveryMs: 20,
    leaseMs: LEASE_MS,
    ttlDays: 36_500,
    ...deps,
  });
  const process = { role, ledger: () => restored ?? fresh };
  processes.push(process);
  await role.start();
  return process;
};

/** As a kill would leave it. */
const kill = async (process: Process): Promise<void> => {
  processes = processes.filter((other) => other !== process);
  await process.role.abandon();
};

const models = async (): Promise<ModelRecord[]> => (await readTopic(world.log, TOPICS.models)).map(({ value }) => modelCodec.decode(value));
const newest = async (): Promise<ModelRecord> =>
  (await models()).filter(({ snapshot }) => snapshot > 0).reduce((one, other) => (other.snapshot >= one.snapshot ? other : one));
const isLearner = ({ role }: Process): boolean => role.metrics()['isLearner'] === 1;
const rowsOf = ({ ledger }: Process): number => Object.keys(ledger().rows).length;

/** Decisions from..to with a provisional 0 each, of which every third was accepted later. */
const lived = (from: number, to: number): AppendRecord[] => {
  const records: AppendRecord[] = [];
  for (let i = from; i < to; i++) {
    records.push(aDecision(`c-${i}`, i, 'offer-fiber'), aReward(`c-${i}`, i, 1, 0));
    if (i % 3 === 0) records.push(aReward(`c-${i}`, i, 2, 1));
  }
  return records;
};
const ledgerOf = (to: number): Ledger['rows'] =>
  Object.fromEntries(Array.from({ length: to }, (_, i) => [`${decisionId(`c-${i}`, i)}/1`, { shown: 1, target: i % 3 === 0 ? 1 : 0 }]));

describe('several processes with the learn role', () => {
  test('all learn everything, one publishes; when it dies another goes on where it was', async () => {
    const one = await start('one');
    const two = await start('two');
    expect([isLearner(one), isLearner(two)]).toEqual([true, false]);
    await world.log.append(lived(0, 30));
    await until(() => rowsOf(one) === 30 && rowsOf(two) === 30);
    await until(async () => (await newest()).experiences === 30);
    const before = await newest();
    const published = two.role.metrics()['snapshots'];

    await kill(one);
    const diedMs = performance.now();
    await world.log.append(lived(30, 60));
    await until(() => isLearner(two));
    expect(performance.now() - diedMs).toBeLessThan(2 * LEASE_MS + 2_000);
    await until(async () => (await newest()).experiences === 60);
    expect(published).toBe(0);
    expect(two.ledger().rows).toEqual(ledgerOf(60));
    // A gap, so that nothing which the dead one still had on its way is taken for newer.
    expect((await newest()).snapshot).toBeGreaterThanOrEqual(before.snapshot + 1_000);
    expect((await newest()).role).toBe('champion');
  });

  test('one that stops lets go at once', async () => {
    const one = await start('one', { leaseMs: 60_000 });
    const two = await start('two', { leaseMs: LEASE_MS });
    expect(isLearner(two)).toBe(false);
    await one.role.stop();
    await until(() => isLearner(two));
  });

  test('a store that was emptied while nobody learned is given the version again, and not only its next snapshot', async () => {
    const one = await start('one');
    await world.log.append(lived(0, 3));
    await until(async () => (await newest()).experiences === 3);
    await one.role.stop();
    const before = await models();
    for (const { blob } of before) await world.store.blobs.remove(blob);

    const again = await start('one');
    await until(() => isLearner(again));
    await until(async () => (await newest()).snapshot > before.at(-1)!.snapshot);
    const root = before.find(({ snapshot }) => snapshot === 0)!;
    for (const blob of [root.blob, (await newest()).blob]) expect(await world.store.blobs.get(blob)).not.toBeNull();
  });

  test('one that starts again in its home is the learner at once, although its lease had not run out', async () => {
    const one = await start('one', { leaseMs: 60_000 });
    await world.log.append(lived(0, 9));
    await until(() => rowsOf(one) === 9);
    await one.role.checkpoint();
    await kill(one);
    const again = await start('one', { leaseMs: 60_000 });
    await until(() => isLearner(again));
    await until(() => rowsOf(again) === 9);
    expect(again.ledger().rows).toEqual(ledgerOf(9));
  });

  test('a late word of a former learner is answered, so that the newest record of the version is again the newest snapshot', async () => {
    const one = await start('one');
    await world.log.append(lived(0, 3));
    await until(async () => (await newest()).experiences === 3);
    const at = await newest();
    await world.log.append(announce({ ...at, snapshot: at.snapshot - 1, blob: 'f'.repeat(64), kept: false }));
    await until(async () => (await models()).at(-1)!.snapshot > at.snapshot);
    expect(one.role.metrics()['intruders']).toBe(1);
    expect(isLearner(one)).toBe(true);
  });

  test('one that hears a newer learner steps back until the lease is surely its own', async () => {
    const one = await start('one');
    const at = await newest();
    await world.log.append(announce({ ...at, snapshot: at.snapshot + 500, blob: 'f'.repeat(64), kept: false }));
    await until(() => one.role.metrics()['intruders'] === 1);
    // It holds the lease, so it is the learner again, above the other.
    await until(() => isLearner(one));
    await until(async () => (await newest()).snapshot >= at.snapshot + 1_500);
  });

  test('a new machine goes on from the shared checkpoint, and what it corrects it corrects once', async () => {
    const one = await start('one');
    await world.log.append(lived(0, 30));
    await until(() => rowsOf(one) === 30);
    await one.role.share();
    await until(async () => (await models()).some(({ checkpoint }) => checkpoint !== null));
    await world.log.append(lived(30, 45));
    await until(() => rowsOf(one) === 45);
    await kill(one);

    const told = await newest();
    const two = await start('two');
    expect(two.role.metrics()).toMatchObject({ rebuilt: 70, missed: 0 });
    // It does not speak before it knows what was known.
    await until(async () => (await newest()).snapshot > told.snapshot);
    expect((await newest()).experiences).toBe(45);
    await until(() => rowsOf(two) === 45);
    await until(() => two.role.metrics()['rewards'] === 20);
    expect(two.role.metrics()['learned']).toBe(15);
    expect(two.ledger().rows).toEqual(ledgerOf(45));
    // Its ledger refuses a correction from another target than the one it holds.
    await world.log.append([aReward('c-1', 1, 3, 1), aReward('c-3', 3, 3, 0), aReward('c-40', 40, 3, 1), aReward('c-40', 40, 3, 1)]);
    await until(() => two.role.metrics()['rewards'] === 24);
    await two.role.stop();
    const three = await start('two');
    expect(three.role.metrics()['rebuilt']).toBe(0);
    expect(three.ledger().rows).toEqual(two.ledger().rows);
    expect(three.ledger().rows[`${decisionId('c-40', 40)}/1`]).toEqual({ shown: 1, target: 1 });
  });

  test('a log that no longer reaches back is said to be so', async () => {
    const one = await start('one');
    await world.log.append(lived(0, 30));
    await until(() => rowsOf(one) === 30);
    await kill(one);
    await world.log.retain({ nowMs: Date.now() + 1_000, maxAgeMs: 0, requiredGroups: [] });
    const warnings: string[] = [];
    const two = await start('two', { logger: { ...SILENT, warn: (_, message) => void warnings.push(message) } });
    expect(two.role.metrics()['missed']).toBe(70);
    expect(warnings.join()).toContain('no longer reaches back');
  });

  test('what a killed learner left in the store is removed by whoever comes after', async () => {
    const removed: string[] = [];
    const put = new Set<string>();
    const watch = (): LearnRoleDeps['store'] => ({
      ...world.store,
      blobs: {
        ...world.store.blobs,
        put: async (bytes, name) => {
          const blob = await world.store.blobs.put(bytes, name);
          if (name === undefined) put.add(blob);
          return blob;
        },
        remove: async (blob) => {
          await world.store.blobs.remove(blob);
          removed.push(blob);
        },
      },
    });
    let nowMs = Date.now();
    const one = await start('one', { store: watch(), clock: () => nowMs });
    for (let i = 0; i < 5; i++) {
      await world.log.append(lived(i, i + 1));
      await until(() => rowsOf(one) === i + 1);
      nowMs += 1_000;
      await until(async () => (await newest()).experiences === i + 1);
      if (i % 2 === 0) await one.role.share();
    }
    await kill(one);
    // Killed between putting a snapshot and announcing it.
    const orphan = await world.store.blobs.put(Buffer.from('never announced'));
    const rows = openExperienceStore({ dir: join(world.dir, 'one') });
    rows.intend([{ blob: orphan, kind: 'snapshot' }]);
    await rows.close();
    put.add(orphan);
    const two = await start('one', { store: watch(), clock: () => nowMs });
    await until(() => isLearner(two) && rowsOf(two) === 5);
    nowMs += 200_000;
    await until(() => removed.length > 0);
    nowMs += 200_000;
    // Of the shared checkpoint its list and its one learner.
    const left = async (): Promise<number> => {
      const present = await newest();
      const records = await models();
      const named = new Set(records.filter(({ kept }) => kept).map(({ blob }) => blob));
      const shared = records.findLast(({ checkpoint }) => checkpoint !== null)?.checkpoint;
      let count = 0;
      for (const blob of put)
        if (!named.has(blob) && blob !== present.blob && blob !== shared && (await world.store.blobs.get(blob)) !== null) count++;
      return count;
    };
    await until(async () => (await left()) === 1);
    const present = await newest();
    expect(removed).toContain(orphan);
    expect(await world.store.blobs.get(present.blob)).not.toBeNull();
  });

  test('with a changed encoder the successor learns again from its rows, and the old version steps back by its word', async () => {
    const one = await start('one');
    await world.log.append(lived(0, 9));
    await until(() => rowsOf(one) === 9);
    await until(async () => (await newest()).experiences === 9);
    await one.role.stop();
    const next = await start('one', { version: 'ledger-2' });
    expect(next.ledger().rows).toEqual(ledgerOf(9));
    await until(async () => (await newest()).version === 'ledger-2' || (await models()).some(({ version }) => version === 'ledger-2'));
    const last = (await models()).filter(({ snapshot }) => snapshot > 0);
    expect(last.findLast(({ version }) => version === 'ledger')).toMatchObject({ role: 'previous', kept: true });
    expect(last.findLast(({ version }) => version === 'ledger-2')).toMatchObject({ role: 'champion' });
    expect(last.find(({ version }) => version === 'ledger-2')?.note).toContain('encoder changed');
  });
});

describe("a learner's home", () => {
  test('belongs to one at a time; the next gets one beside it', () => {
    const base = join(world.dir, 'homes');
    const one = openLearnerHome(base);
    const two = openLearnerHome(base);
    expect([one.number, two.number, two.dir]).toEqual([1, 2, `${base}-2`]);
    one.close();
    const again = openLearnerHome(base);
    expect([again.number, again.id]).toEqual([1, one.id]);
    expect(again.id).not.toBe(two.id);
    again.close();
    two.close();
  });
});
