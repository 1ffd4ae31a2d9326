import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TOPICS, customerKeyToBytes, erasureCodec, modelCodec, shardOf } from '#contracts';
import type { AppendRecord } from '#event-log';
import type { Learner } from '#models';
import { SILENT } from '../role.ts';
import { aDecision, customerKey, decisionId, openWorld, readTopic, until } from '../test-world.ts';
import type { World } from '../test-world.ts';
import { createLearnRole } from './learn-role.ts';
import type { LearnRoleDeps } from './learn-role-deps.ts';
import { aReward, ledgerLearner } from './test-ledger.ts';
import type { Ledger } from './test-ledger.ts';

let world: World;
let roles: ReturnType<typeof createLearnRole>[] = [];
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

const start = async (more: Partial<LearnRoleDeps> = {}) => {
  const keep = (ledger: Ledger): Learner => {
    ledgers.set(ledger.loop, ledger);
    return ledgerLearner(ledger);
  };
  const role = createLearnRole({
    log: world.log,
    store: world.store,
    dir: join(world.dir, 'learn'),
    createLearner: (loop) =>
      ledgers.has(loop) && loop === '' ? ledgerLearner({ loop, snapshot: 0, rows: {} }) : keep({ loop, snapshot: 0, rows: {} }),
    restoreLearner: (bytes) => keep(JSON.parse(Buffer.from(bytes).toString('utf8')) as Ledger),
    featureSet: () => world.project.featureSet,
    personal: () => world.personal,
    profiles: async () => (id) => ({ id, features: {} }),
    clock: () => Date.now(),
    logger: SILENT,
    publishEveryMs: 20,
    ...more,
  });
  roles.push(role);
  await role.start();
  return role;
};

const row = (customer: string, number: number, loop = '') => ledgers.get(loop)?.rows[`${decisionId(customer, number)}/1`];
const models = async () => (await readTopic(world.log, TOPICS.models)).map(({ value }) => modelCodec.decode(value));

describe('the learn role', () => {
  test('a fresh system has model zero at once', async () => {
    await start();
    expect((await models()).map(({ snapshot, role, kept }) => ({ snapshot, role, kept }))).toEqual([
      { snapshot: 0, role: 'champion', kept: true },
      { snapshot: 1, role: 'champion', kept: true },
      { snapshot: 1, role: 'champion', kept: true },
    ]);
  });

  test('shows once, corrects later, and hears nothing twice', async () => {
    await start();
    await world.log.append([aDecision('c-1', 1, 'offer-fiber'), aReward('c-1', 1, 1, 0), aReward('c-1', 1, 1, 0)]);
    await until(() => row('c-1', 1)?.target === 0);
    await world.log.append([aReward('c-1', 1, 2, 1), aReward('c-1', 1, 1, 0)]);
    await until(() => row('c-1', 1)?.target === 1);
    await until(async () => (await world.log.lag('learn', [TOPICS.decisions, TOPICS.rewards])) === 0);
    expect(row('c-1', 1)).toEqual({ shown: 1, target: 1 });
    expect(roles[0]!.metrics()).toMatchObject({ learned: 1, corrected: 1, repeated: 2 });
  });

  test('a reward that comes before its decision waits for it, and a null target teaches nothing', async () => {
    await start();
    await world.log.append([aReward('c-1', 1, 1, 1), aReward('c-2', 2, 1, null)]);
    await until(() => roles[0]!.metrics()['rewards'] === 2);
    await world.log.append([aDecision('c-1', 1, 'offer-fiber'), aDecision('c-2', 2, 'offer-fiber')]);
    await until(() => row('c-1', 1) !== undefined);
    expect(row('c-1', 1)).toEqual({ shown: 1, target: 1 });
    expect(row('c-2', 2)).toBeUndefined();
  });

  test('an outcome is in a published snapshot well within two seconds', async () => {
    await start({ publishEveryMs: 500 });
    await world.log.append([aDecision('c-1', 1, 'offer-fiber')]);
    const at = performance.now();
    await world.log.append([aReward('c-1', 1, 1, 1)]);
    await until(async () => (await models()).some(({ experiences }) => experiences === 1));
    expect(performance.now() - at).toBeLessThan(2_000);
  });

  test("the callers' own candidates have learners of their own", async () => {
    await start();
    const own = { loop: 'bank', ownCandidates: '[{"id":"offer-fiber","features":{"x":1}}]' };
    await world.log.append([aDecision('c-1', 1, 'offer-fiber', own), aReward('c-1', 1, 1, -0.5, 'bank')]);
    await until(() => row('c-1', 1, 'bank')?.target === -0.5);
    expect(row('c-1', 1)).toBeUndefined();
    expect(roles[0]!.loops()).toEqual(['', 'bank']);
  });

  test('a role that dies at any moment loses nothing and doubles nothing', async () => {
    for (let round = 0; round < 5; round++) {
      const role = await start({ checkpointEveryMs: round % 2 === 0 ? 30 : 60_000 });
      const records: AppendRecord[] = [];
      for (let i = 0; i < 40; i++) {
        const number = round * 100 + i;
        records.push(aDecision(`c-${i}`, number, 'offer-fiber'), aReward(`c-${i}`, number, 1, 0));
        if (i % 3 === 0) records.push(aReward(`c-${i}`, number, 2, 1));
        if (round > 0) records.push(aReward(`c-${i}`, number - 100, 3, i % 2));
      }
      await world.log.append(records);
      await until(() => role.metrics()['rewards']! > round * 12);
      if (round === 1) await role.checkpoint();
      await abandon(role);
    }
    await start();
    await until(
      async () =>
        (await world.log.lag('learn', [TOPICS.decisions, TOPICS.rewards])) === 0 && Object.keys(ledgers.get('')!.rows).length === 200,
    );
    await until(() => row('c-0', 400)?.target === 1 && row('c-39', 339)?.target === 1);
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 40; i++) {
        const expected = round < 4 ? i % 2 : i % 3 === 0 ? 1 : 0;
        expect([round, i, row(`c-${i}`, round * 100 + i)]).toEqual([round, i, { shown: 1, target: expected }]);
      }
    }
    const snapshots = (await models()).filter(({ kept, snapshot }) => !kept && snapshot > 0).map(({ snapshot }) => snapshot);
    expect(new Set(snapshots).size).toBe(snapshots.length);
  });

  test('a loop that cannot be published holds up neither the others nor the checkpoints, and is tried again at its pace', async () => {
    let refuses = false;
    const told: unknown[] = [];
    const role = await start({
      checkpointEveryMs: 20,
      logger: { ...SILENT, error: (fields) => void told.push(fields) },
      createLearner(loop) {
        const learner = ledgerLearner({ loop, snapshot: 0, rows: {} });
        const publish = learner.publish.bind(learner);
        return Object.assign(learner, {
          publish(after?: number) {
            if (refuses && loop === '') throw new Error('no factor was found');
            return publish(after);
          },
        });
      },
    });
    refuses = true;
    const sinceMs = performance.now();
    const checkpoints = role.metrics()['checkpoints']!;
    const own = { loop: 'bank', ownCandidates: '[{"id":"offer-fiber","features":{}}]' };
    await world.log.append([aDecision('c-1', 1, 'offer-fiber'), aReward('c-1', 1, 1, 1)]);
    await until(() => role.metrics()['failures']! >= 1);
    await world.log.append([aDecision('c-2', 2, 'offer-fiber', own), aReward('c-2', 2, 1, 1, 'bank')]);
    await until(async () => (await models()).some(({ loop, experiences }) => loop === 'bank' && experiences === 1));
    await until(() => role.metrics()['checkpoints']! > checkpoints + 1);
    await until(() => role.metrics()['failures']! >= 3);
    expect(performance.now() - sinceMs).toBeGreaterThan(900);
    expect(told).toHaveLength(role.metrics()['failures']!);
    expect(told[0]).toMatchObject({ loop: '', version: 'ledger', err: { message: 'no factor was found' } });
    expect((await models()).some(({ loop, experiences }) => loop === '' && experiences === 1)).toBe(false);
    refuses = false;
    await until(async () => (await models()).some(({ loop, experiences }) => loop === '' && experiences === 1));
  });

  test("an erased customer's rows go, and what was logged before is not learned again", async () => {
    const role = await start();
    await world.log.append([aDecision('c-1', 1, 'offer-fiber'), aReward('c-1', 1, 1, 0)]);
    await until(() => row('c-1', 1) !== undefined);
    await role.checkpoint();
    const key = customerKeyToBytes(customerKey('c-1'));
    await world.log.append([
      {
        topic: TOPICS.erasures,
        shard: shardOf('c-1'),
        key,
        value: erasureCodec.encode({ customerKey: key, erasedAt: Date.now(), shard: shardOf('c-1') }),
      },
    ]);
    await until(() => role.metrics()['inHand']! > 0);
    await role.stop();
    roles = [];
    const { openExperienceStore } = await import('./experience-store.ts');
    const rows = openExperienceStore({ dir: join(world.dir, 'learn') });
    expect([...rows.scan()]).toHaveLength(0);
    await rows.close();
  });
});

/** As a kill would leave it: no last checkpoint, no last snapshot; only its timers and its hold on the log are taken from it. */
const abandon = async (role: ReturnType<typeof createLearnRole>): Promise<void> => {
  roles = roles.filter((other) => other !== role);
  ledgers.clear();
  await role.abandon();
};
