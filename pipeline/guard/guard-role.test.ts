import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ACTION_PAUSED_EVENT,
  DAY_MS,
  TOPICS,
  UNSAID,
  communicationCodec,
  customerKeyToBytes,
  decisionIdToBytes,
  eventCodec,
  shardOf,
} from '#contracts';
import type { ActionPaused } from '#contracts';
import { followControls, type AppendRecord, type ControlsHolder } from '#event-log';
import { createControlsKeeper, findControls } from '#feature-store';
import { START_MS, customerKey, decisionId, openWorld, readTopic, until } from '../test-world.ts';
import type { World } from '../test-world.ts';
import { GUARD_KIND } from './guard-document.ts';
import type { GuardDocument } from './guard-document.ts';
import { createGuardRole } from './guard-role.ts';
import type { GuardRoleDeps } from './guard-role.ts';

const BACKFIRE = { windowMs: 3 * DAY_MS, margin: 0.01, alpha: 0.05, holdout: { first: 0.2, last: 0.05 }, ramp: 500, inboundContact: 6 };
const CATALOG = {
  backfire: BACKFIRE,
  indexOf: new Map([
    ['harm', 0],
    ['help', 1],
  ]),
};

let world: World;
let controls: ControlsHolder;
let roles: ReturnType<typeof createGuardRole>[];
let nowMs: number;

beforeEach(async () => {
  world = await openWorld();
  nowMs = START_MS + 4 * DAY_MS;
  roles = [];
  controls = followControls({
    log: world.log,
    onUnreadable: (error) => {
      throw error;
    },
  });
});
afterEach(async () => {
  for (const role of roles) await role.stop();
  await controls.stop();
  await world.close();
});

const start = async (more: Partial<GuardRoleDeps> = {}) => {
  const role = createGuardRole({
    log: world.log,
    store: world.store,
    controls,
    keepControls: createControlsKeeper(world.store.blobs, () => {}),
    catalog: () => CATALOG,
    clock: () => nowMs,
    everyMs: 10,
    leaseMs: 400,
    ...more,
  });
  roles.push(role);
  await role.start();
  return role;
};
const stop = async (role: (typeof roles)[number]): Promise<void> => {
  await role.stop();
  roles = roles.filter((one) => one !== role);
};

interface Rates {
  readonly contacted: number;
  readonly heldOut: number;
}
/** Of 100 trials a fifth is held out; of each arm a share came to us. */
const trials = (
  actionId: string,
  count: number,
  rates: Rates,
  more: { readonly first?: number; readonly decidedMs?: number; readonly at?: number } = {},
) => {
  const { first = 0, decidedMs = START_MS, at = decidedMs + BACKFIRE.windowMs } = more;
  let [contacted, heldOut] = [0, 0];
  return Array.from({ length: count }, (_, i): AppendRecord => {
    const arm = i % 5 === 4 ? 'heldOut' : 'contacted';
    const place = arm === 'heldOut' ? heldOut++ : contacted++;
    const customer = `${actionId}-${first + i}`;
    const id = decisionIdToBytes(decisionId(customer, first + i, decidedMs));
    const inbound = Math.floor((place + 1) * rates[arm]) > Math.floor(place * rates[arm]);
    return {
      topic: TOPICS.communications,
      shard: shardOf(customer),
      value: communicationCodec.encode({
        ...UNSAID,
        communicationId: id,
        decisionId: id,
        customerKey: customerKeyToBytes(customerKey(customer)),
        channel: 'sms',
        treatmentId: '',
        actionId,
        state: 'matured',
        arm,
        inboundContacts: inbound ? 2 : 0,
        holdoutShare: Math.fround(0.2),
        at,
      }),
    };
  });
};
const HARM = { contacted: 0.4, heldOut: 0.1 };
const HELP = { contacted: 0.02, heldOut: 0.3 };

const documentOf = async (actionId: string): Promise<GuardDocument | null> => {
  const found = await world.store.documents.get(GUARD_KIND, actionId);
  return found === null ? null : (JSON.parse(found.body.toString('utf8')) as GuardDocument);
};
const counted = async (actionId: string): Promise<number> =>
  (await documentOf(actionId))?.counts.reduce((sum, { contacted, heldOut }) => sum + contacted + heldOut, 0) ?? 0;
const pausedEvents = async () =>
  (await readTopic(world.log, TOPICS.events))
    .map(({ value }) => eventCodec.decode(value))
    .filter(({ type }) => type === ACTION_PAUSED_EVENT);
const resume = (actionId: string) =>
  controls.change((current) => ({
    ...current,
    actor: 'ana',
    reason: 'the text was wrong',
    at: nowMs,
    pausedActions: current.pausedActions.filter((id) => id !== actionId),
    notices: current.notices.filter(({ name }) => name !== actionId),
  }));

describe('the guard', () => {
  test('lets the hold-out of a harmless action fall and its ramp go, and pauses a harmful one with a reason and an event', async () => {
    const role = await start();
    await world.log.append([...trials('help', 800, HELP), ...trials('harm', 600, HARM)]);
    await until(async () => (await counted('help')) === 800 && (await documentOf('harm'))?.paused?.version !== undefined);
    await until(() => controls.current().pausedActions.includes('harm'));
    await until(async () => typeof (await documentOf('harm'))?.paused?.version === 'number');

    const current = controls.current();
    expect(current.pausedActions).toEqual(['harm']);
    expect(current.holdouts).toContainEqual({ actionId: 'help', share: 0.05, ramp: null, rise: expect.any(Number) as number });
    const rises = new Map(current.holdouts.map(({ actionId, rise }) => [actionId, rise]));
    expect(rises.get('harm')).toBeGreaterThan(0.1);
    expect(rises.get('help')).toBeLessThan(-0.1);
    const [notice] = current.notices;
    expect(notice).toMatchObject({ kind: 'action', name: 'harm', by: 'attune' });
    expect(notice!.reason).toMatch(/^Of \d+ customers whom we contacted 4\d\.\d % came to us within 72 hours, of \d+ whom we left alone/);
    const events = await pausedEvents();
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ source: 'attune', subjectKind: 'action', subjectId: 'harm', time: nowMs });
    const said = JSON.parse(events[0]!.data) as ActionPaused;
    expect(said).toMatchObject({ actionId: 'harm', reason: notice!.reason, margin: 0.01 });
    expect((await findControls(world.store.blobs, said.controlsVersion))?.pausedActions).toEqual(['harm']);
    expect(role.metrics()).toMatchObject({ isGuard: 1, pausedActions: 1, pauses: 1, trials: 1_400, 'holdoutShare{action="help"}': 0.05 });
    expect(role.metrics()['riseLow{action="harm"}']).toBeGreaterThan(0.01);
  });

  test('begins anew when a person resumes: what was decided before counts no more, and it may be paused again', async () => {
    const role = await start();
    await world.log.append(trials('harm', 600, HARM));
    await until(async () => typeof (await documentOf('harm'))?.paused?.version === 'number');
    nowMs += DAY_MS;
    await resume('harm');
    await until(async () => (await documentOf('harm'))?.paused === null);
    expect(await documentOf('harm')).toMatchObject({ counts: [], sinceMs: nowMs });
    await until(() => controls.current().holdouts[0]?.ramp === 500);

    await world.log.append(trials('harm', 50, HARM, { first: 1_000 }));
    await until(() => role.metrics()['early'] === 50);
    expect(controls.current().pausedActions).toEqual([]);
    await world.log.append(trials('harm', 600, HARM, { first: 2_000, decidedMs: nowMs }));
    await until(() => controls.current().pausedActions.includes('harm'));
    await until(async () => (await pausedEvents()).length === 2);
    expect(new Set((await pausedEvents()).map(({ id }) => id)).size).toBe(2);
  });

  test('counts each trial once over restarts, batches that come again and a new life of the log', async () => {
    let role = await start();
    await world.log.append(trials('help', 100, HELP));
    await until(async () => (await counted('help')) === 100);
    await stop(role);

    // As after a crash before the group committed: the same records come again.
    const again = {
      ...world.log,
      consume: (options: Parameters<World['log']['consume']>[0]) => world.log.consume({ ...options, group: 'guard-again' }),
    };
    role = await start({ log: again });
    await until(() => role.metrics()['known'] === 100);
    await world.log.append(trials('help', 20, HELP, { first: 500 }));
    await until(async () => (await counted('help')) === 120);
    await stop(role);

    // Offsets of another life mean nothing; the time of what was counted does.
    const reborn = {
      ...world.log,
      epoch: world.log.epoch + 1,
      consume: (options: Parameters<World['log']['consume']>[0]) => world.log.consume({ ...options, group: 'guard-reborn' }),
    };
    role = await start({ log: reborn });
    await until(() => role.metrics()['known'] === 120);
    await world.log.append(trials('help', 10, HELP, { first: 900, decidedMs: START_MS + DAY_MS }));
    await until(async () => (await counted('help')) === 130);
    expect(await documentOf('help')).toMatchObject({ epoch: world.log.epoch + 1 });
  });

  test('a pause that was meant and not known to be in force is made by the next guard, and told once', async () => {
    const refusing = { ...controls, change: () => Promise.reject(new Error('killed')) };
    const role = await start({ controls: refusing });
    await world.log.append(trials('harm', 600, HARM));
    await until(async () => (await documentOf('harm'))?.paused?.version === null);
    expect(role.metrics()['failures']).toBeGreaterThan(0);
    await stop(role);
    expect(await pausedEvents()).toEqual([]);
    await start();
    await until(async () => typeof (await documentOf('harm'))?.paused?.version === 'number');
    expect(controls.current().pausedActions).toEqual(['harm']);
    expect(await pausedEvents()).toHaveLength(1);
  });

  test('of two processes one counts, the other goes on when it ends; what carries no share teaches nothing', async () => {
    const [one, two] = [await start(), await start()];
    await world.log.append(trials('help', 50, HELP));
    await until(async () => (await counted('help')) === 50);
    expect(one.metrics()['isGuard']! + two.metrics()['isGuard']!).toBe(1);
    const [first, other] = one.metrics()['isGuard'] === 1 ? [one, two] : [two, one];
    await stop(first);
    await until(() => other.metrics()['isGuard'] === 1);
    const without = trials('help', 5, HELP, { first: 100 }).map((record) => ({
      ...record,
      value: communicationCodec.encode({ ...communicationCodec.decode(Buffer.from(record.value)), holdoutShare: 0 }),
    }));
    await world.log.append([...without, ...trials('help', 25, HELP, { first: 200 })]);
    await until(async () => (await counted('help')) === 75);
    expect(other.metrics()).toMatchObject({ unusable: 5, trials: 25 });
  });
});
