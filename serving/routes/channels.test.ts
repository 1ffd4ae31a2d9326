/** GET /v1/channels by inject, with the health that deliver keeps and the controls in force. */
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CHANNEL_KIND, MACHINE_ACTOR, NO_CONTROLS, TOPICS, controlCodec, shardOf, type ChannelDocument } from '#contracts';
import { followControls } from '#event-log';
import type { ChannelsAnswer } from '../schemas/channels.ts';
import { openTestServing, type TestServing } from '../test-serving.ts';
import { makeTestCatalog } from '../tmf/communication/test-catalog.ts';

let catalogDir: string;
let serving: TestServing;
beforeAll(async () => {
  catalogDir = await makeTestCatalog({ allowPrivate: false });
  serving = await openTestServing({ catalogDir });
});
afterAll(async () => {
  await serving.stop();
  await rm(catalogDir, { recursive: true });
});

const channels = async (): Promise<ChannelsAnswer> => {
  const answer = await serving.app.inject({ method: 'GET', url: '/v1/channels' });
  expect(answer.statusCode, answer.body).toBe(200);
  return answer.json<ChannelsAnswer>();
};
const channel = async (name: string) => (await channels()).channels.find((one) => one.channel === name);
const put = async (payload: object): Promise<void> => {
  const answer = await serving.app.inject({
    method: 'PUT',
    url: '/v1/controls',
    payload: { actor: 'ana', reason: 'too many', ...payload },
  });
  expect(answer.statusCode, answer.body).toBe(200);
};
const tell = async (document: ChannelDocument): Promise<void> => {
  const { documents } = serving.store;
  const stored = await documents.get(CHANNEL_KIND, document.channel);
  const body = Buffer.from(JSON.stringify(document));
  const place = { id: document.channel, customerKey: null, state: document.state, atMs: 1, dueMs: null };
  await documents.put(CHANNEL_KIND, { ...place, body }, stored?.version ?? null);
};
const SINCE = Date.UTC(2026, 10, 30);
const NOTHING = { state: null, since: null, reason: null, queued: null, perSecond: null, paused: null };

test('names every channel of the catalog, with its adapter where Attune delivers', async () => {
  const answer = await channels();
  expect(answer.stopOutbound).toBe(false);
  expect(answer.channels.find((one) => one.channel === 'sms')).toEqual({ channel: 'sms', adapter: 'file', ...NOTHING });
  expect(answer.channels.find((one) => one.channel === 'app')).toEqual({ channel: 'app', adapter: null, ...NOTHING });
});

test('tells which is down and why, and decides nothing outbound on it until it is up', async () => {
  const health = { channel: 'email', adapter: 'smtp', since: SINCE, queued: 12, perSecond: null };
  await tell({ ...health, state: 'up', reason: null });
  expect(await channel('email')).toMatchObject({ state: 'up', reason: null, queued: 12, since: '2026-11-30T00:00:00.000Z' });

  // As deliver does it.
  const deliver = followControls({ log: serving.log, onUnreadable: () => {} });
  await deliver.caughtUp;
  const list = (downChannels: readonly string[]) =>
    deliver.change((current) => ({ ...current, actor: MACHINE_ACTOR, reason: 'health', at: SINCE, downChannels }));
  const decide = async (): Promise<readonly unknown[]> => {
    const payload = {
      customerId: 'c-1',
      channel: 'email',
      direction: 'outbound',
      context: { reason: 'tmf681' },
    };
    const answer = await serving.app.inject({ method: 'POST', url: '/v1/decisions', payload });
    expect(answer.statusCode, answer.body).toBe(201);
    return answer.json<{ actions: unknown[] }>().actions;
  };
  expect(await decide()).toHaveLength(1);
  await tell({ ...health, state: 'down', reason: 'connect ECONNREFUSED' });
  await list(['email']);
  await expect.poll(() => channel('email')).toMatchObject({ state: 'down', reason: 'connect ECONNREFUSED', paused: null });
  await expect.poll(decide).toEqual([]);
  await list([]);
  await tell({ ...health, state: 'up', reason: null });
  await expect.poll(async () => (await decide()).length).toBe(1);
  expect(await channel('email')).toMatchObject({ state: 'up' });
  await deliver.stop();
});

test('tells who paused a channel and why, until it is resumed', async () => {
  await put({ pausedChannels: ['sms'], stopOutbound: true });
  expect((await channels()).stopOutbound).toBe(true);
  expect((await channel('sms'))?.paused).toEqual({ by: 'ana', reason: 'too many', at: expect.any(String) });
  await put({ pausedChannels: [], stopOutbound: false });
  expect((await channel('sms'))?.paused).toBeNull();
});

test('a pause from before notices were kept has no name to it', async () => {
  const { body } = await serving.app.inject({ method: 'GET', url: '/v1/controls' });
  const { version } = JSON.parse(body) as { version: number };
  const value = controlCodec.encode({ ...NO_CONTROLS, version: version + 1, pausedChannels: ['web'] });
  await serving.log.append([{ topic: TOPICS.controls, shard: shardOf('controls'), key: Buffer.from('controls'), value }]);
  await expect.poll(async () => (await channel('web'))?.paused).toEqual({ by: null, reason: null, at: null });
});
