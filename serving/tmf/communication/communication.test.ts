/** TMF681 by inject, on the embedded engines: what is posted becomes a decision, and shows what became of it. */
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  TOPICS,
  communicationCodec,
  createDecisionId,
  decisionCodec,
  decisionIdToBytes,
  type CommunicationDocument,
  type Decision,
} from '#contracts';
import { openTestServing, type TestServing } from '../../test-serving.ts';
import type { TmfResource } from '../resource.ts';
import { makeTestCatalog } from './test-catalog.ts';

const BASE = '/tmf-api/communicationManagement/v4';
const MESSAGES = `${BASE}/communicationMessage`;

let catalogDir: string;
let serving: TestServing;
beforeAll(async () => {
  catalogDir = await makeTestCatalog({ allowPrivate: false });
  serving = await openTestServing({ catalogDir });
  await serving.knows('c-no', [
    { type: 'customer.updated', data: { doNotContact: true, consentMarketing: false }, time: Date.now() - 1_000 },
  ]);
});
afterAll(async () => {
  await serving.stop();
  await rm(catalogDir, { recursive: true });
});

const send = (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, payload?: object) =>
  serving.app.inject(
    payload === undefined
      ? { method, url }
      : { method, url, payload: JSON.stringify(payload), headers: { 'content-type': 'application/json;charset=utf-8' } },
  );
const post = async (body: object): Promise<TmfResource> => {
  const answer = await send('POST', MESSAGES, body);
  expect(answer.statusCode, answer.body).toBe(201);
  const created = answer.json<TmfResource>();
  expect(answer.headers.location).toBe(created.href);
  return created;
};
const get = async (href: string): Promise<TmfResource> => (await send('GET', href)).json<TmfResource>();
const BARE = { content: 'Your parcel is here.', messageType: 'SMS', receiver: [{}], sender: {} };
const EXAMPLE = {
  subject: 'News: the latest promotion for you',
  scheduledSendTime: '2020-02-10T00:00:00+01:00',
  state: 'initial',
  description: 'this is communication message for promotion',
  content: 'Dear $Parameter1, Here is the information of the promotion $Parameter2',
  messageType: 'SMS',
  characteristic: [
    { name: '$Parameter1', value: 'Mr. Jones', valueType: 'string' },
    { name: '$Parameter2', value: '4G_LTE <b>30%</b> $Parameter1', valueType: 'string' },
  ],
  attachment: [{ url: 'https://serverlocation/files/1', name: 'File_XYZ_001' }],
  sender: { id: '10099', name: 'ABC Company', phoneNumber: '10086' },
  receiver: [{ id: '10234', name: 'Customer', phoneNumber: '008613811112222', party: { id: '991', '@referredType': 'Individual' } }],
};

const documentOf = async ({ id }: TmfResource): Promise<CommunicationDocument> =>
  JSON.parse((await serving.store.documents.get('communication', id))!.body.toString()) as CommunicationDocument;
const decisions = async (): Promise<Decision[]> => {
  await serving.log.append([]);
  const found: Decision[] = [];
  for (let partition = 0; partition < serving.log.partitions; partition++)
    for (const { value } of await serving.log.read(TOPICS.decisions, partition, 0, 10_000)) found.push(decisionCodec.decode(value));
  return found;
};
const steps = async () => {
  await serving.log.append([]);
  const found = [];
  for (let partition = 0; partition < serving.log.partitions; partition++)
    for (const { value } of await serving.log.read(TOPICS.communications, partition, 0, 10_000))
      found.push(communicationCodec.decode(value));
  return found;
};

test("TM Forum's own example becomes an outbound decision with its text in the document", async () => {
  const created = await post(EXAMPLE);
  const { state: _state, ...told } = EXAMPLE;
  expect(created).toEqual({
    ...told,
    '@type': 'CommunicationMessage',
    id: created.id,
    href: `${MESSAGES}/${created.id}`,
    state: 'initial',
  });
  expect(await get(created.href)).toEqual(created);
  const decision = (await decisions()).find(({ decisionId }) => decisionId.toString('hex') === created.id)!;
  expect(decision).toMatchObject({ direction: 'outbound', channel: 'sms', cause: 'tmf681', subjectId: '10234', subjectKind: 'customer' });
  expect(JSON.parse(decision.scope!)).toEqual({ actions: ['any-message'] });
  expect(decision.chosen.map(({ actionId }) => actionId)).toEqual(['any-message']);
  expect(await documentOf(created)).toMatchObject({
    state: 'requested',
    customerId: '10234',
    address: '008613811112222',
    content: { body: 'Dear Mr. Jones, Here is the information of the promotion 4G_LTE <b>30%</b> $Parameter1' },
  });
});

test('where a channel shows HTML, a value cannot become markup, nor a subject a header', async () => {
  const created = await post({
    ...EXAMPLE,
    messageType: 'E-Mail',
    subject: 'Hello\r\nBcc: all@example.org',
    receiver: [{ email: 'a@example.org' }],
  });
  const { content } = await documentOf(created);
  expect(content).toEqual({
    subject: 'Hello Bcc: all@example.org',
    body: 'Dear Mr. Jones, Here is the information of the promotion 4G_LTE &lt;b&gt;30%&lt;/b&gt; $Parameter1',
  });
});

test.each([
  ['nobody to send it to', BARE, 'noAddress'],
  ['a receiver without brackets', { ...BARE, receiver: {} }, 'noAddress'],
  ['a type that no channel has', { ...BARE, messageType: 'Fax', receiver: [{ id: 'c-1' }] }, 'noChannel'],
  ['a time that lies ahead', { ...BARE, receiver: [{ id: 'c-1' }], scheduledSendTime: '2999-01-01T00:00:00Z' }, 'scheduledAhead'],
])('what cannot be delivered for %s is taken, shows why, and stands in the log', async (_, body, reason) => {
  const created = await post(body);
  expect(created).toMatchObject({ state: 'failed', stateReason: `failed: ${reason}`, sender: {} });
  expect(await get(created.href)).toEqual(created);
  const step = (await steps()).find(({ communicationId }) => communicationId.toString('hex') === created.id);
  expect(step).toMatchObject({ state: 'failed', reasonCode: reason, cause: 'tmf681', decisionId: null });
});

test('what is asked for later waits for its time, and can be cancelled until then', async () => {
  const scheduledSendTime = new Date(Date.now() + 3_600_000).toISOString();
  const created = await post({ ...BARE, receiver: [{ id: 'c-later' }], scheduledSendTime });
  expect(created).toMatchObject({ state: 'initial', stateReason: 'deferred: scheduled', scheduledSendTime });
  const stepsOf = async () => (await steps()).filter(({ communicationId }) => communicationId.toString('hex') === created.id);
  expect(await stepsOf()).toMatchObject([
    { state: 'deferred', reasonCode: 'scheduled', until: Date.parse(scheduledSendTime), cause: 'tmf681' },
  ]);
  expect((await decisions()).some(({ decisionId }) => decisionId.toString('hex') === created.id)).toBe(false);
  expect((await send('PATCH', created.href, { content: 'It is nearly here.' })).json()).toMatchObject({ content: 'It is nearly here.' });
  expect((await send('PATCH', created.href, { scheduledSendTime: new Date().toISOString() })).statusCode).toBe(400);
  expect((await send('PATCH', created.href, { state: 'cancelled' })).json()).toMatchObject({ state: 'cancelled' });
  expect((await stepsOf()).map(({ state }) => state)).toEqual(['deferred', 'cancelled']);
});

test('one that was decided anew and let out gives back, when it is cancelled, the contact of that decision', async () => {
  const created = await post({ ...BARE, receiver: [{ id: 'c-chain' }], scheduledSendTime: new Date(Date.now() + 3_600_000).toISOString() });
  const letOut = createDecisionId({ atMs: Date.now(), shard: 7, entropy: [1, 2] });
  const { version, ...stored } = (await serving.store.documents.get('communication', created.id))!;
  const document = { ...(await documentOf(created)), state: 'queued', reasonCode: null, decisionId: letOut };
  const write = { ...stored, state: 'queued', body: Buffer.from(JSON.stringify(document)) };
  expect(await serving.store.documents.put('communication', write, version)).not.toBeNull();
  expect((await send('PATCH', created.href, { state: 'cancelled' })).json()).toMatchObject({ state: 'cancelled' });
  const step = (await steps()).find(
    ({ communicationId, state }) => communicationId.toString('hex') === created.id && state === 'cancelled',
  );
  expect(step!.decisionId).toEqual(decisionIdToBytes(letOut));
});

test('what the policy withholds shows the rule', async () => {
  const created = await post({ ...BARE, receiver: [{ id: 'c-no' }], characteristic: [{ name: 'purpose', value: 'offer' }] });
  expect(created).toMatchObject({ state: 'failed', stateReason: 'denied: do-not-contact' });
  expect((await decisions()).find(({ decisionId }) => decisionId.toString('hex') === created.id)!.chosen).toEqual([]);
});

test('an address without a customer is the same visitor each time', async () => {
  const [one, two] = [
    await post({ ...BARE, receiver: [{ phoneNumber: '+4930123' }] }),
    await post({ ...BARE, receiver: [{ phoneNumber: ' +4930123 ' }] }),
  ];
  const made = (await decisions()).filter(({ decisionId }) => [one.id, two.id].includes(decisionId.toString('hex')));
  expect(new Set(made.map(({ customerKey }) => customerKey.toString('hex'))).size).toBe(1);
  expect(made[0]).toMatchObject({ anonymous: true, subjectId: 'sms:+4930123' });
});

test('what deliver writes shows as state, reason and times', async () => {
  const created = await post({ ...BARE, receiver: [{ id: 'c-2', phoneNumber: '+491' }] });
  const deliver = async (state: string, reasonCode: string | null): Promise<TmfResource> => {
    const stored = (await serving.store.documents.get('communication', created.id))!;
    const document = JSON.parse(stored.body.toString()) as CommunicationDocument;
    const history = [...document.history, { state, reasonCode, at: Date.parse('2026-12-01T00:00:00Z') }];
    const { version, ...write } = stored;
    await serving.store.documents.put(
      'communication',
      { ...write, state, body: Buffer.from(JSON.stringify({ ...document, state, reasonCode, history })) },
      version,
    );
    return get(created.href);
  };
  expect(await deliver('deferred', 'quiet-hours')).toMatchObject({ state: 'initial', stateReason: 'deferred: quiet-hours' });
  expect((await deliver('queued', null)).state).toBe('inProgress');
  expect(await deliver('sent', null)).toMatchObject({ state: 'inProgress', sendTime: '2026-12-01T00:00:00.000Z' });
  expect(await deliver('bounced', 'noSuchNumber')).toMatchObject({
    state: 'failed',
    stateReason: 'bounced: noSuchNumber',
    sendTimeComplete: expect.any(String),
  });
});

test('several receivers are one resource, and one of them who is erased is gone from it', async () => {
  const total = async (): Promise<number> => Number((await send('GET', `${MESSAGES}?limit=1`)).headers['x-total-count']);
  const before = await total();
  const created = await post({ ...BARE, receiver: [{ id: 'g-1', phoneNumber: '+1' }, { id: 'g-2', phoneNumber: '+2' }, {}] });
  expect(await total()).toBe(before + 1);
  expect(created).toMatchObject({ state: 'initial', stateReason: 'failed: noAddress', receiver: [{ id: 'g-1' }, { id: 'g-2' }, {}] });
  expect((await send('GET', `${MESSAGES}?receiver.id=g-2`)).json()).toEqual([created]);
  expect((await decisions()).filter(({ subjectId }) => subjectId?.startsWith('g-'))).toHaveLength(2);
  const key = (await decisions()).find(({ subjectId }) => subjectId === 'g-1')!.customerKey;
  expect(await serving.store.documents.forget(key)).toBe(1);
  expect((await get(created.href))['receiver']).toEqual([{ id: 'g-2', phoneNumber: '+2' }, {}]);
  expect((await send('DELETE', created.href)).statusCode).toBe(204);
  expect((await send('GET', `${MESSAGES}?receiver.id=g-2`)).json()).toEqual([]);
  expect(await total()).toBe(before);
});

test('a text is changed on its way, the state only by cancelling, and id and href never', async () => {
  const created = await post({ ...BARE, receiver: [{ id: 'c-3', phoneNumber: '+3' }] });
  const patched = await send('PATCH', created.href, { content: 'Not here yet.', description: 'late', state: 'completed' });
  expect(patched.statusCode, patched.body).toBe(200);
  expect(patched.json()).toEqual({ ...created, content: 'Not here yet.', description: 'late' });
  expect((await documentOf(created)).content).toEqual({ body: 'Not here yet.' });
  for (const wrong of [{ id: 'x' }, { href: 'x' }, { state: 'nonsense' }, { content: null }, { sender: 'me' }])
    expect((await send('PATCH', created.href, wrong)).statusCode, JSON.stringify(wrong)).toBe(400);
  expect((await send('PATCH', created.href, { state: 'cancelled' })).json()).toMatchObject({
    state: 'cancelled',
    stateReason: 'cancelled: requested',
  });
  expect((await steps()).filter(({ communicationId }) => communicationId.toString('hex') === created.id).map(({ state }) => state)).toEqual(
    ['cancelled'],
  );
});

test('a deleted message is gone for good, whatever becomes of it, and its audit stays', async () => {
  const created = await post({ ...BARE, receiver: [{ id: 'c-4', phoneNumber: '+4' }] });
  expect((await send('DELETE', created.href)).statusCode).toBe(204);
  expect((await send('GET', created.href)).statusCode).toBe(404);
  expect((await send('DELETE', created.href)).statusCode).toBe(404);
  expect((await send('PATCH', created.href, { description: 'x' })).statusCode).toBe(404);
  expect((await send('GET', `${MESSAGES}?id=${created.id}`)).json()).toEqual([]);
  expect(await documentOf(created)).toMatchObject({ state: 'cancelled', address: null, content: null, customerId: null });
  expect((await decisions()).some(({ decisionId }) => decisionId.toString('hex') === created.id)).toBe(true);
  expect(
    (await steps()).some(({ communicationId, state }) => communicationId.toString('hex') === created.id && state === 'cancelled'),
  ).toBe(true);
});

test('lists find by any attribute', async () => {
  const created = await post({ ...EXAMPLE, receiver: [{ id: 'c-5', phoneNumber: '+5' }], description: 'a, b & c', priority: '3' });
  const found = async (query: string): Promise<string[]> =>
    (await send('GET', `${MESSAGES}?${query}`)).json<TmfResource[]>().map(({ id }) => id);
  expect(await found(`id=${created.id}`)).toEqual([created.id]);
  expect(await found(`description=${encodeURIComponent('a, b & c')}`)).toEqual([created.id]);
  expect(await found(`state=failed,initial&receiver.phoneNumber=%2B5`)).toEqual([created.id]);
  expect(await found('priority.gte=3')).toEqual([created.id]);
  expect(await found('attachment.url=https%3A%2F%2Fserverlocation%2Ffiles%2F1&receiver.id=c-5')).toEqual([created.id]);
  expect(await found('state=completed')).toEqual([]);
});

test.each(['content', 'messageType', 'receiver', 'sender'])('a message without %s is refused', async (name) => {
  const answer = await send('POST', MESSAGES, { ...BARE, [name]: undefined });
  expect([answer.statusCode, answer.json()]).toEqual([
    400,
    expect.objectContaining({ code: 'invalid', status: '400', message: `${name}: is required` }),
  ]);
});

test('what cannot be read is refused in the shape of TM Forum, whatever it is', async () => {
  for (const body of [
    { ...BARE, tryTimes: { toString: 1, valueOf: 1 } },
    { ...BARE, tryTimes: 'often' },
    { ...BARE, tryTimes: -1 },
  ])
    expect((await send('POST', MESSAGES, body)).json()).toMatchObject({ code: 'invalid', reason: 'Bad Request', status: '400' });
  const undecodable = await send('GET', `${MESSAGES}/%E0%A4%A`);
  expect([undecodable.statusCode, undecodable.json()]).toEqual([400, expect.objectContaining({ code: 'invalid', reason: 'Bad Request' })]);
});
