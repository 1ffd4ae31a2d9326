/** Delivery receipts by inject, on the embedded engines: a peer's word counts once, and nobody else's counts. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  COMMUNICATION_KIND,
  TOPICS,
  UNSAID,
  communicationCodec,
  createDecisionId,
  decisionIdToBytes,
  partitionOf,
  shardOf,
  type Communication,
  type CommunicationDocument,
} from '#contracts';
import { applyStep, providerKindOf, providerNameOf } from '#feature-store';
import { parseApiKeys } from '../auth/api-keys.ts';
import { CATALOG_DIR, openTestServing, type TestServing } from '../test-serving.ts';

const secret = (text: string): string => `whsec_${Buffer.from(text).toString('base64')}`;
const ENV = {
  CHAT_SECRET: secret('the secret of chat'),
  SMS_TOKEN: 'the-token-of-sms',
  VOICE_USER: 'voice',
  VOICE_PASSWORD: 'the password of voice',
  PUSH_SECRET: secret('the secret of push'),
  MAIL_TOKEN: 'the-token-of-mail',
};
const STATES = { delivered: ['DELIVRD', 'ok'], failed: ['UNDELIV'], expired: ['EXPIRED'] };
const gateway = (receipt: object): object => ({
  adapter: 'http',
  address: 'phone',
  settings: { url: 'https://gateway.example/send', receipt },
});
const CHANNELS = {
  chat: { adapter: 'webhook', address: 'phone', settings: { url: 'https://chat.example/', secretEnv: 'CHAT_SECRET', confirms: true } },
  deaf: { adapter: 'webhook', address: 'phone', settings: { url: 'https://chat.example/', secretEnv: 'CHAT_SECRET' } },
  sms: gateway({ tokenEnv: 'SMS_TOKEN', providerId: 'id', state: 'stat', reason: 'err', at: 'time', states: STATES }),
  voice: gateway({
    userEnv: 'VOICE_USER',
    passwordEnv: 'VOICE_PASSWORD',
    communicationId: 'results.0.ref',
    state: 'results.0.status',
    states: STATES,
  }),
  push: gateway({ secretEnv: 'PUSH_SECRET', communicationId: 'ref', state: 'status', states: STATES }),
  lost: gateway({ tokenEnv: 'LOST_TOKEN', communicationId: 'ref', state: 'status', states: STATES }),
  email: {
    adapter: 'smtp',
    address: 'email',
    settings: { host: 'localhost', from: 'care@example.org', notifications: true, receipt: { tokenEnv: 'MAIL_TOKEN' } },
  },
};

let catalogDir: string;
let serving: TestServing;
beforeAll(async () => {
  catalogDir = await mkdtemp(join(tmpdir(), 'attune-receipts-'));
  await cp(CATALOG_DIR, catalogDir, { recursive: true });
  const project = await readFile(join(catalogDir, 'project.yaml'), 'utf8');
  const more = ['chat', 'deaf', 'voice', 'push', 'lost'].map((name) => `  ${name}: { directions: [outbound] }\n`).join('');
  await writeFile(
    join(catalogDir, 'project.yaml'),
    project.replace(/^channels:\n/m, (line) => line + more),
  );
  await writeFile(join(catalogDir, 'channels.yaml'), JSON.stringify({ channels: CHANNELS }));
  serving = await openTestServing({ catalogDir, env: ENV });
});
afterAll(async () => {
  await serving.stop();
  await rm(catalogDir, { recursive: true });
});

const SHARD = shardOf('ann');
const ADDRESS = 'ann@example.org';
let count = 0;

/** A message as deliver leaves it. @returns its id */
const aMessage = async (
  channel: string,
  states: readonly Communication['state'][] = ['queued', 'sent'],
  providerId?: string,
): Promise<string> => {
  const id = decisionIdToBytes(createDecisionId({ atMs: 1_700_000_000_000, shard: SHARD, entropy: [9, ++count] }));
  const { documents } = serving.store;
  const customerKey = Buffer.alloc(16, 7);
  for (const state of states) {
    const record = {
      ...UNSAID,
      communicationId: id,
      decisionId: id,
      customerKey,
      channel,
      treatmentId: 't',
      actionId: 'a',
      state,
      at: 1_000,
    };
    await applyStep(documents, { ...record, cause: 'api', address: ADDRESS });
  }
  const body = Buffer.from(id.toString('hex'));
  if (providerId !== undefined)
    await documents.put(
      providerKindOf(channel),
      { id: providerNameOf(providerId), customerKey, state: 'sent', atMs: 1, dueMs: null, body },
      null,
    );
  return id.toString('hex');
};
const documentOf = async (id: string): Promise<CommunicationDocument> =>
  JSON.parse((await serving.store.documents.get(COMMUNICATION_KIND, id))!.body.toString()) as CommunicationDocument;

let read = 0;
/** What was appended since it was last asked. */
const appended = async (): Promise<Communication[]> => {
  await serving.log.append([]);
  const found = await serving.log.read(TOPICS.communications, partitionOf(SHARD, serving.log.partitions), read, 1_000);
  read += found.length;
  return found.map(({ value }) => communicationCodec.decode(value));
};
afterEach(async () => void (await appended()));

type Headers = Record<string, string>;
const JSON_TYPE: Headers = { 'content-type': 'application/json' };
const post = (path: string, payload: string, headers: Headers = JSON_TYPE) =>
  serving.app.inject({ method: 'POST', url: `/v1/delivery-receipts/${path}`, payload, headers });
const signed = (payload: string, key = ENV.CHAT_SECRET, at = new Date()): Headers => ({
  ...JSON_TYPE,
  'webhook-id': 'm-1',
  'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
  'webhook-signature': new Webhook(key).sign('m-1', at, payload),
});
const basic = (user: string, password: string): Headers => ({
  ...JSON_TYPE,
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
const ofChat = (communicationId: string, more: object = {}): string =>
  JSON.stringify({ type: 'message.receipt', data: { communicationId, state: 'delivered', ...more } });

test('a signed receipt is appended on the shard of its message, and counts once', async () => {
  const id = await aMessage('chat');
  const body = ofChat(id, { at: '2023-11-15T00:00:00Z' });
  const answer = await post('chat', body, signed(body));
  expect(answer.statusCode, answer.body).toBe(202);
  expect(answer.json()).toEqual({ communicationId: id, state: 'delivered' });
  const [step, ...others] = await appended();
  expect(others).toEqual([]);
  expect(step).toMatchObject({
    state: 'delivered',
    channel: 'chat',
    actionId: 'a',
    cause: 'api',
    at: Date.UTC(2023, 10, 15),
    address: null,
  });
  expect(step!.communicationId.toString('hex')).toBe(id);
  expect((await documentOf(id)).state).toBe('delivered');

  expect((await post('chat', body, signed(body))).statusCode).toBe(202);
  // What was delivered stays so.
  const late = ofChat(id, { state: 'expired' });
  expect((await post('chat', late, signed(late))).statusCode).toBe(202);
  expect(await appended()).toEqual([]);
});

test('a message is found by its decision id as text too, and a reason says nothing of the address', async () => {
  const id = await aMessage('chat');
  const text = (await documentOf(id)).decisionId!;
  const body = ofChat(text, { state: 'bounced', reason: `550 <${ADDRESS}>\r\nunknown` });
  expect((await post('chat', body, signed(body))).statusCode).toBe(202);
  expect(await appended()).toMatchObject([{ state: 'bounced', reasonCode: '550 <…>  unknown' }]);
});

test('a gateway tells in its own words: a form, a query, a path into JSON', async () => {
  const first = await aMessage('sms', ['queued', 'sent'], 'gw-1');
  const second = await aMessage('sms', ['queued', 'sent'], 'gw-2');
  const third = await aMessage('voice');
  const fourth = await aMessage('push');
  const form = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
  expect((await post(`sms/${ENV.SMS_TOKEN}`, 'id=gw-1&stat=DELIVRD&time=1700000100', form)).json()).toEqual({
    communicationId: first,
    state: 'delivered',
  });
  expect((await post(`sms?token=${ENV.SMS_TOKEN}&id=gw-2&stat=undeliv&err=27`, '', {})).json()).toEqual({
    communicationId: second,
    state: 'failed',
  });
  const voice = JSON.stringify({ results: [{ ref: third, status: 'EXPIRED' }] });
  expect((await post('voice', voice, basic(ENV.VOICE_USER, ENV.VOICE_PASSWORD))).json()).toEqual({
    communicationId: third,
    state: 'expired',
  });
  const push = JSON.stringify({ ref: fourth, status: 'ok' });
  expect((await post('push', push, signed(push, ENV.PUSH_SECRET))).json()).toEqual({ communicationId: fourth, state: 'delivered' });
  expect((await appended()).map(({ state, reasonCode, at }) => [state, reasonCode, at === 1_700_000_100_000])).toEqual([
    ['delivered', null, true],
    ['failed', '27', false],
    ['expired', null, false],
    ['delivered', null, false],
  ]);
});

test('a word that says nothing final changes nothing', async () => {
  const id = await aMessage('sms', ['queued', 'sent'], 'gw-3');
  const answer = await post(`sms/${ENV.SMS_TOKEN}?id=gw-3&stat=ENROUTE`, '', {});
  expect([answer.statusCode, answer.json()]).toEqual([202, { communicationId: null, state: null }]);
  expect([(await documentOf(id)).state, await appended()]).toEqual(['sent', []]);
});

const mail = (id: string, fields: readonly string[], to = 'care@example.org', envelope = `Original-Envelope-Id: ${id}`): string =>
  [
    'From: MAILER-DAEMON@mx.example.org',
    `To: ${to}`,
    'Subject: Delivery Status Notification',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status;',
    '\tboundary="b=1"',
    '',
    'This is a MIME message.',
    '--b=1',
    'Content-Type: text/plain',
    '',
    'Your message could not be delivered.',
    '',
    '--b=1',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.example.org',
    ...(envelope === '' ? [] : [envelope]),
    '',
    `Final-Recipient: rfc822; ${ADDRESS}`,
    ...fields,
    '',
    '--b=1',
    'Content-Type: text/rfc822-headers',
    '',
    `Message-ID: <${id}@example.org>`,
    'Subject: Your bill',
    '',
    '--b=1--',
    '',
  ].join('\r\n');
const MAIL: Headers = { 'content-type': 'message/rfc822' };

test.each([
  ['a bounce by its envelope', ['Action: failed', 'Status: 5.1.1', `Diagnostic-Code: smtp; 550 <${ADDRESS}>`], 'bounced', '5.1.1', {}],
  ['a time that ran out', ['Action: failed', 'Status: 4.4.7'], 'expired', '4.4.7', {}],
  ['a delivery by the mail that came back', ['Action: delivered', 'Status: 2.0.0'], 'delivered', null, { envelope: '' }],
  ['a delay', ['Action: delayed', 'Status: 4.4.1'], null, null, {}],
  ['a relay', ['Action: relayed', 'Status: 2.0.0'], null, null, {}],
] as const)('a delivery status notification tells of %s', async (_, fields, state, reasonCode, { envelope }: { envelope?: string }) => {
  const id = await aMessage('email');
  const answer = await post(`email/${ENV.MAIL_TOKEN}`, mail(id, fields, undefined, envelope), MAIL);
  expect([answer.statusCode, answer.json()]).toEqual([202, { communicationId: state === null ? null : id, state }]);
  expect((await appended()).map((step) => [step.state, step.reasonCode])).toEqual(state === null ? [] : [[state, reasonCode]]);
});

test('a bounce is known by the address that it came to, and an answer of somebody on holiday is none', async () => {
  const id = await aMessage('email');
  const bounce = mail('f'.repeat(32), ['Action: failed', 'Status: 5.7.1'], `bounces+${id}@example.org`, '');
  expect((await post(`email/${ENV.MAIL_TOKEN}`, bounce, MAIL)).json()).toEqual({ communicationId: id, state: 'bounced' });
  expect(await appended()).toHaveLength(1);
  const away = `From: ${ADDRESS}\r\nTo: bounces+${id}@example.org\r\nSubject: Away\r\n\r\nI am away.\r\n`;
  expect((await post(`email/${ENV.MAIL_TOKEN}`, away, MAIL)).json()).toEqual({ communicationId: null, state: null });
  expect(await appended()).toEqual([]);
});

/** Each is refused with a sentence and changes nothing. */
const REFUSED: readonly (readonly [string, number, RegExp, (id: string) => readonly [string, string, Headers]])[] = [
  ['a channel that there is not', 404, /no channel "fax"/, (id) => ['fax', ofChat(id), signed(ofChat(id))]],
  ['a channel whose peer does not confirm', 404, /no channel "deaf"/, (id) => ['deaf', ofChat(id), signed(ofChat(id))]],
  ['no signature', 401, /signature is missing/, (id) => ['chat', ofChat(id), JSON_TYPE]],
  ['the signature of another secret', 401, /signature/, (id) => ['chat', ofChat(id), signed(ofChat(id), ENV.PUSH_SECRET)]],
  ['a signature of another body', 401, /signature/, (id) => ['chat', ofChat(id), signed(ofChat(id, { state: 'failed' }))]],
  [
    'a signature of ten minutes ago',
    401,
    /five minutes/,
    (id) => ['chat', ofChat(id), signed(ofChat(id), undefined, new Date(Date.now() - 600_000))],
  ],
  ['a body that is not JSON', 400, /not JSON/, () => ['chat', '{', signed('{')]],
  ['a state that there is not', 400, /data.state/, (id) => ['chat', ofChat(id, { state: 'read' }), signed(ofChat(id, { state: 'read' }))]],
  ['a time that there is not', 400, /data.at/, (id) => ['chat', ofChat(id, { at: 'soon' }), signed(ofChat(id, { at: 'soon' }))]],
  ['an unknown message', 404, /no message/, () => ['chat', ofChat('e'.repeat(32)), signed(ofChat('e'.repeat(32)))]],
  ['no token', 401, /token/, () => ['sms?id=gw-9&stat=DELIVRD', '', {}]],
  ['a wrong token', 401, /token/, () => ['sms/the-token-of-smS?id=gw-9&stat=DELIVRD', '', {}]],
  ['an unknown name of the gateway', 404, /no message/, () => [`sms/${ENV.SMS_TOKEN}?id=gw-99&stat=DELIVRD`, '', {}]],
  ['no state', 400, /stat/, () => [`sms/${ENV.SMS_TOKEN}?id=gw-9`, '', {}]],
  ['a wrong password', 401, /password/, (id) => ['voice', JSON.stringify({ results: [{ ref: id, status: 'ok' }] }), basic('voice', 'x')]],
  [
    'a message of another channel',
    404,
    /no message/,
    (id) => ['push', JSON.stringify({ ref: id, status: 'ok' }), signed(JSON.stringify({ ref: id, status: 'ok' }), ENV.PUSH_SECRET)],
  ],
  ['a mail without the token', 401, /token/, (id) => ['email', mail(id, ['Action: failed']), MAIL]],
  ['what is no mail', 400, /not a mail/, () => [`email/${ENV.MAIL_TOKEN}`, '\x00\x01', MAIL]],
  ['a channel whose secret this process was not given', 503, /LOST_TOKEN is not set/, () => ['lost/x', '{}', JSON_TYPE]],
];

test.each(REFUSED)('refuses %s', async (_, status, words, shot) => {
  const id = await aMessage('chat', ['queued', 'sent'], undefined);
  const [path, body, headers] = shot(id);
  const answer = await post(path, body, headers);
  expect(answer.statusCode, answer.body).toBe(status);
  expect(answer.headers['content-type']).toContain('application/problem+json');
  expect(answer.json<{ detail: string }>().detail).toMatch(words);
  expect([(await documentOf(id)).state, await appended()]).toEqual(['sent', []]);
});

test('refuses a receipt of a message that never left', async () => {
  for (const state of ['denied', 'cancelled'] as const) {
    const body = ofChat(await aMessage('chat', ['queued', state]));
    expect((await post('chat', body, signed(body))).statusCode).toBe(404);
  }
  expect(await appended()).toEqual([]);
});

test('needs no API key, and one proves nothing', async () => {
  const key = 'a-key-of-the-tests';
  const guarded = await serving.again({ catalogDir, env: ENV, apiKeys: parseApiKeys(`all:observe+admin:${key}`) });
  const body = ofChat(await aMessage('chat'));
  const send = (headers: Headers) => guarded.app.inject({ method: 'POST', url: '/v1/delivery-receipts/chat', payload: body, headers });
  expect((await send({ ...JSON_TYPE, authorization: `Bearer ${key}` })).statusCode).toBe(401);
  expect((await send(signed(body))).statusCode).toBe(202);
  await guarded.close();
});
