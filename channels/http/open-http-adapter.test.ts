import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HttpSettings } from '#project';
import { aMessage, describeChannelAdapterContract } from '../contract-suite.ts';
import { openAdapter } from '../open-adapter.ts';
import { aChannel, depsOf } from '../test-definition.ts';
import { startHttpPeer } from './test-http-peer.ts';
import type { HttpPeer } from './test-http-peer.ts';

const PHONE = '+4915112345678';

const settingsOf = (port: number, more: Partial<HttpSettings> = {}): HttpSettings => ({
  adapter: 'http',
  url: `http://127.0.0.1:${port}/send/{{channel}}?to={{address}}`,
  method: 'POST',
  headers: new Map([['X-Language', '{{language}}']]),
  headersEnv: new Map([['Authorization', 'TEST_PASSWORD']]),
  format: 'json',
  body: { to: '{{address}}', messages: [{ text: '{{content.body}}', flash: false }] },
  providerId: 'id',
  idempotencyHeader: 'Idempotency-Key',
  checkUrl: null,
  timeoutMs: 500,
  receipt: null,
  ...more,
});

const start = () =>
  startHttpPeer(({ body }) => {
    const { to, messages } = JSON.parse(body) as { to: string; messages: { text: string }[] };
    return { address: to, text: messages[0]!.text };
  });

describeChannelAdapterContract('http', async () => {
  const peer = await start();
  const adapter = openAdapter(aChannel(settingsOf(peer.port)), depsOf());
  return { adapter, peer, arrived: () => peer.arrived(), address: PHONE, dispose: () => peer.stop() };
});

describe('an SMS gateway over HTTP', () => {
  let peer: HttpPeer;
  beforeEach(async () => void (peer = await start()));
  afterEach(() => peer.stop());
  const send = (more: Partial<HttpSettings> = {}, content: Record<string, string> = { body: 'hello' }) =>
    openAdapter(aChannel(settingsOf(peer.port, more)), depsOf()).send(aMessage(PHONE, { content }), new AbortController().signal);

  it('is called with its secret, the key of the message, and what was filled in; its id comes back', async () => {
    peer.answerWith((_, response) => void response.end(JSON.stringify({ messages: [{ id: 77 }] })));
    expect(await send({ providerId: 'messages.0.id' })).toEqual({ kind: 'sent', providerId: '77' });
    expect(peer.requests[0]).toMatchObject({
      method: 'POST',
      url: '/send/test?to=%2B4915112345678',
      headers: {
        authorization: 'hunter2',
        'idempotency-key': aMessage('').communicationId,
        'x-language': 'en',
        'content-type': 'application/json',
      },
    });
  });

  it('gets a form where it wants one', async () => {
    peer.answerWith((_, response) => void response.end('OK'));
    expect(await send({ format: 'form', body: { to: '{{address}}', text: '{{content.body}}', v: 2 } }, { body: 'a&b=c €' })).toEqual({
      kind: 'sent',
      providerId: null,
    });
    expect(Object.fromEntries(new URLSearchParams(peer.requests[0]!.body))).toEqual({ to: PHONE, text: 'a&b=c €', v: '2' });
  });

  it('never reads what was filled in as a template, nor as JSON', async () => {
    const body = '","to":"+1900","x":"{{content.subject}}';
    await send({}, { body, subject: 'secret' });
    expect(JSON.parse(peer.requests[0]!.body)).toEqual({ to: PHONE, messages: [{ text: body, flash: false }] });
  });

  it('is not called for a message that lacks what the template asks for', async () => {
    expect(await send({}, { title: 'no body' })).toEqual({ kind: 'refused', reason: expect.stringContaining('{{content.body}}') });
    expect(peer.requests).toEqual([]);
  });

  it('is believed when it says how long to wait', async () => {
    peer.answerWith((_, response) => void response.writeHead(429, { 'retry-after': '7' }).end());
    expect(await send()).toMatchObject({ kind: 'retry', afterMs: 7_000 });
  });

  it('loses no message when it does not know us; a redirect is not followed', async () => {
    peer.answerWith((_, response) => void response.writeHead(401).end());
    expect(await send()).toMatchObject({ kind: 'retry' });
    peer.answerWith((_, response) => void response.writeHead(302, { location: '/elsewhere' }).end());
    expect(await send()).toMatchObject({ kind: 'refused', reason: expect.stringContaining('redirects') });
    expect(peer.requests).toHaveLength(2);
  });

  it('may have taken what it answers 502 to', async () => {
    peer.answerWith((_, response) => void response.writeHead(502).end());
    expect(await send()).toMatchObject({ kind: 'unknown' });
  });

  it('needs its secret at the start', () => {
    expect(() => openAdapter(aChannel(settingsOf(1)), depsOf({ env: {} }))).toThrow(/TEST_PASSWORD is not set/);
  });
});
