/** Notifications with a real receiver: sent, retried over a restart, and never to a private address. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TOPICS, UNSAID, communicationCodec, customerKeyToBytes, shardOf } from '#contracts';
import { createCommunicationAnnouncer } from '../../serving/tmf/index.ts';
import { NO_CHANNELS } from '#project';
import { customerKey, decisionId, openWorld, until, type World } from '../test-world.ts';
import { createNotifyRole } from './notify-role.ts';
import { postCallback } from './post-callback.ts';

const API = '/tmf-api/communicationManagement/v4';
const got: { eventId: string; eventType: string; eventTime: string; event: { communicationMessage: Record<string, unknown> } }[] = [];
let answer = 201;
let receiver: Server;
let callback: string;
let world: World;

beforeAll(async () => {
  world = await openWorld();
  receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      if (answer === 201) got.push(JSON.parse(body) as (typeof got)[number]);
      response.writeHead(answer, answer === 302 ? { location: callback } : {}).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  callback = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/listener`;
});
afterAll(async () => {
  receiver.closeAllConnections();
  receiver.close();
  await world.close();
});

const subscribe = (id: string, query: string | null): Promise<unknown> =>
  world.store.documents.put(
    'hub',
    { id, customerKey: null, state: 'active', atMs: 1, dueMs: null, body: Buffer.from(JSON.stringify({ api: API, callback, query })) },
    null,
  );
const step = async (customer: string, state: 'queued' | 'failed'): Promise<void> => {
  const id = Buffer.from(decisionId(customer, 1).replaceAll('-', ''), 'hex');
  const value = communicationCodec.encode({
    ...UNSAID,
    communicationId: id,
    decisionId: id,
    customerKey: customerKeyToBytes(customerKey(customer)),
    channel: 'sms',
    treatmentId: 't',
    state,
    at: Date.now(),
    cause: 'trigger:bill-shock',
  });
  await world.log.append([{ topic: TOPICS.communications, shard: shardOf(customer), value }]);
};
const open = (allowPrivate: boolean) =>
  createNotifyRole({
    log: world.log,
    documents: world.store.documents,
    clock: Date.now,
    announce: createCommunicationAnnouncer(world.store.documents, () => NO_CHANNELS),
    allowPrivate: () => allowPrivate,
    everyMs: 20,
    firstRetryMs: 50,
  });
const waiting = async (): Promise<number> => (await world.store.documents.list('notification', { limit: 10 })).total;

test('a notification is refused at a private address, outlives its role, and arrives once it may', { timeout: 20_000 }, async () => {
  await subscribe('h-all', null);
  await subscribe('h-failed', 'eventType=CommunicationMessageStateChangeEvent&event.communicationMessage.state=failed&fields=state');
  await step('c-1', 'queued');
  const careful = open(false);
  await careful.start();
  await until(() => careful.metrics()['retried']! > 0);
  await careful.stop();
  expect(got).toEqual([]);
  expect(await waiting()).toBe(1);

  answer = 503;
  const second = open(true);
  await second.start();
  await until(() => second.metrics()['retried']! > 1);
  answer = 302;
  const before = second.metrics()['retried']!;
  await until(() => second.metrics()['retried']! > before);
  await second.stop();
  expect(got).toEqual([]);

  answer = 201;
  const third = open(true);
  await third.start();
  await until(() => got.length === 1);
  const id = decisionId('c-1', 1).replaceAll('-', '');
  expect(got[0]).toMatchObject({
    eventId: `${id}-inProgress`,
    eventType: 'CommunicationMessageCreateEvent',
    eventTime: expect.stringMatching(/^\d{4}-.*Z$/),
    event: {
      communicationMessage: { id, href: `${API}/communicationMessage/${id}`, state: 'inProgress', '@type': 'CommunicationMessage' },
    },
  });
  await step('c-1', 'failed');
  await until(() => got.length === 3);
  const resources = got.slice(1).map(({ event }) => event.communicationMessage);
  expect(resources).toContainEqual({ id, href: `${API}/communicationMessage/${id}`, state: 'failed' });
  expect(new Set(got.slice(1).map(({ eventId }) => eventId)).size).toBe(1);
  await until(async () => (await waiting()) === 0);
  await third.stop();
});

test.each([
  'http://127.0.0.1:1/',
  'http://localhost:1/',
  'http://[::1]:1/',
  'http://10.0.0.1/',
  'http://169.254.169.254/latest',
  'http://0x7f.1/',
  'http://[::ffff:127.0.0.1]/',
  'ftp://example.org/',
  'http://user:pw@example.org/',
])('%s is not called', async (url) => {
  const result = await postCallback({ url, body: '{}', allowPrivate: false, timeoutMs: 1_000, signal: new AbortController().signal });
  expect(result).toMatchObject({ kind: 'failed', reason: expect.stringMatching(/^the callback (leads|must)/) });
});

test('a name that leads to a private address is found out when it is called', async () => {
  const { hostname } = await import('node:os');
  const url = `http://${hostname()}:1/`;
  const result = await postCallback({ url, body: '{}', allowPrivate: false, timeoutMs: 2_000, signal: new AbortController().signal });
  expect(result).toMatchObject({ kind: 'failed', reason: expect.stringMatching(/private address|ENOTFOUND|EAI_AGAIN/) });
});
