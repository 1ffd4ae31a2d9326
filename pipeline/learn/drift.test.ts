import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createDriftWatch } from '#models';
import { SILENT } from '../role.ts';
import { START_MS, aDecision, openWorld, until } from '../test-world.ts';
import { createLearnRole } from './learn-role.ts';
import { aReward, ledgerLearner } from './test-ledger.ts';

test('the learn role tells of inputs and of final rewards that are no longer what they were, in the log and as gauges', async () => {
  const world = await openWorld();
  const told: { readonly details: object; readonly message: string }[] = [];
  const role = createLearnRole({
    log: world.log,
    store: world.store,
    dir: join(world.dir, 'learn'),
    createLearner: (loop) => ledgerLearner({ loop, snapshot: 0, rows: {} }),
    restoreLearner: () => ledgerLearner({ loop: '', snapshot: 0, rows: {} }),
    createDriftWatch: () =>
      createDriftWatch({ every: 1, inputs: { windowRows: 100 }, rewards: { warmUp: 50, outcomesPerFalseAlarm: 1_000 } }),
    featureSet: () => world.project.featureSet,
    personal: () => world.personal,
    profiles: async () => (id) => ({ id, features: {} }),
    clock: () => Date.now(),
    logger: { ...SILENT, warn: (details, message) => void told.push({ details, message }) },
  });
  try {
    await role.start();
    const show = async (from: number, page: string, target: (i: number) => number): Promise<void> => {
      for (let i = from; i < from + 300; i++) {
        const decision = aDecision(`c-${i}`, i, 'offer-fiber', { context: JSON.stringify({ page }), modelVersion: 'm' });
        await world.log.append([decision, aReward(`c-${i}`, i, 1, 0), aReward(`c-${i}`, i, 2, target(i), '', START_MS, true)]);
      }
      await until(() => role.metrics()['rewards'] === 2 * (from + 300));
    };
    await show(0, 'home', (i) => (i % 10 === 0 ? 1 : 0));
    expect(told).toEqual([]);
    expect(role.metrics()).toMatchObject({ 'driftInputAlarms{loop=""}': 0, 'driftRewardAlarms{loop=""}': 0 });
    await show(300, 'bill', (i) => i % 2);
    const messages = told.map(({ message }) => message);
    expect(messages.filter((message) => message.startsWith('inputs have drifted')).length).toBeGreaterThan(0);
    expect(messages.filter((message) => message.startsWith('rewards have drifted')).length).toBeGreaterThan(0);
    expect(JSON.stringify(told.map(({ details }) => details))).toContain('"field":"context.page"');
    const metrics = role.metrics();
    expect(metrics['driftRewardAlarms{loop=""}']).toBeGreaterThan(0);
    expect(metrics['driftRewardShift{loop=""}']).toBeGreaterThan(0.1);
    expect(metrics['driftPsi{loop="",field="context.page"}']).toBeGreaterThan(0.25);
  } finally {
    await role.stop();
    await world.close();
  }
});
