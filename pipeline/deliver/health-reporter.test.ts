import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  CHANNEL_KIND,
  MACHINE_ACTOR,
  TOPICS,
  UNSAID,
  communicationCodec,
  customerKeyToBytes,
  decisionIdToBytes,
  shardOf,
} from '#contracts';
import type { ChannelDocument, Communication } from '#contracts';
import { followControls } from '#event-log';
import type { ControlsHolder } from '#event-log';
import { openAdapter } from '../../channels/open-adapter.ts';
import { settingsOf, startMailPeer } from '../../channels/smtp/test-mail-peer.ts';
import type { MailPeer } from '../../channels/smtp/test-mail-peer.ts';
import { aChannel, depsOf } from '../../channels/test-definition.ts';
import { SILENT } from '../role.ts';
import { customerKey, decisionId, openWorld } from '../test-world.ts';
import type { World } from '../test-world.ts';
import { createDeliverRole } from './deliver-role.ts';
import type { DeliverRole } from './deliver-role.ts';
import { letOutBy } from './test-let-out.ts';

let world: World;
let peer: MailPeer;
let controls: ControlsHolder;
let roles: DeliverRole[];

beforeEach(async () => {
  world = await openWorld();
  peer = await startMailPeer();
  controls = followControls({ log: world.log, onUnreadable: () => {} });
  await controls.caughtUp;
  roles = [];
});
afterEach(async () => {
  await Promise.all(roles.map((role) => role.stop()));
  await controls.stop();
  await peer.stop();
  await world.close();
});

const start = async (): Promise<DeliverRole> => {
  const definition = aChannel(settingsOf(peer.port), {
    name: 'email',
    firstRetryMs: 20,
    longestRetryMs: 20,
    attempts: 100,
    perSecond: 500,
  });
  const adapter = openAdapter(definition, depsOf());
  const channels = [{ definition, adapter }];
  const role = createDeliverRole({
    log: world.log,
    store: world.store,
    featureSet: () => world.project.featureSet,
    channels,
    clock: Date.now,
    random: () => 0.5,
    logger: SILENT,
    reportMs: 20,
  });
  roles.push(role);
  await role.start();
  return role;
};

const queue = async (numbers: readonly number[]): Promise<void> => {
  for (const number of numbers) await letOutBy(world, number, 'email');
  await world.log.append(
    numbers.map((number) => {
      const id = decisionIdToBytes(decisionId('ann', number * 64));
      const record: Communication = {
        ...UNSAID,
        communicationId: id,
        decisionId: id,
        customerKey: customerKeyToBytes(customerKey('ann')),
        channel: 'email',
        treatmentId: 't',
        actionId: 'a',
        state: 'queued',
        at: Date.now(),
        address: 'ann@example.org',
        content: JSON.stringify({ subject: `message ${number}`, body: 'Hello' }),
        expiresAt: Date.now() + 60_000,
      };
      return { topic: TOPICS.communications, shard: shardOf('ann'), value: communicationCodec.encode(record) };
    }),
  );
};

const health = async (): Promise<ChannelDocument | null> => {
  const stored = await world.store.documents.get(CHANNEL_KIND, 'email');
  return stored === null ? null : (JSON.parse(stored.body.toString()) as ChannelDocument);
};
const POLL = { timeout: 8_000, interval: 20 };
const healthBecomes = (expected: Partial<ChannelDocument>): Promise<void> => expect.poll(health, POLL).toMatchObject(expected);

test('a mail server that goes away is avoided and told of, and its messages leave when it is back', async () => {
  await start();
  await healthBecomes({ channel: 'email', adapter: 'smtp', state: 'up', reason: null, queued: 0, perSecond: 500 });
  const before = Date.now();
  await peer.stop();
  await queue([1, 2, 3, 4, 5, 6]);
  await expect.poll(() => controls.current().downChannels, POLL).toEqual(['email']);
  expect(controls.current()).toMatchObject({ actor: MACHINE_ACTOR, reason: expect.stringContaining('ECONNREFUSED'), stopOutbound: false });
  await healthBecomes({ state: 'down', reason: expect.stringContaining('ECONNREFUSED') as never, queued: 6 });
  expect((await health())!.since).toBeGreaterThanOrEqual(before);

  await peer.start();
  await expect.poll(() => peer.mails.length, POLL).toBe(6);
  await expect.poll(() => controls.current().downChannels, POLL).toEqual([]);
  expect(controls.current()).toMatchObject({ version: 2, actor: MACHINE_ACTOR, reason: 'channel email is up again' });
  await healthBecomes({ state: 'up', reason: null, queued: 0 });
});

test('a channel that a dead process listed as down is taken off the list when its peer answers another, and not before', async () => {
  await controls.change((current) => ({ ...current, actor: MACHINE_ACTOR, reason: 'down', at: 1, downChannels: ['email', 'fax'] }));
  await peer.stop();
  const first = await start();
  await healthBecomes({ state: 'down' });
  expect(controls.current().version).toBe(1);
  await first.stop();
  await peer.start();
  await start();
  // Nobody here delivers on the other one.
  await expect.poll(() => controls.current().downChannels, POLL).toEqual(['fax']);
  await healthBecomes({ state: 'up' });
});

test('what does not change is not written again', async () => {
  await start();
  await healthBecomes({ state: 'up' });
  const { version } = (await world.store.documents.get(CHANNEL_KIND, 'email'))!;
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect((await world.store.documents.get(CHANNEL_KIND, 'email'))!.version).toBe(version);
});
