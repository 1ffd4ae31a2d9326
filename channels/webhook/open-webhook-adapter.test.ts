import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OutboundMessage } from '#contracts';
import { aMessage, describeChannelAdapterContract } from '../contract-suite.ts';
import { isPublicAddress } from '#contracts';
import { resolveHost } from '../http/resolve-host.ts';
import { startHttpPeer } from '../http/test-http-peer.ts';
import type { HttpPeer } from '../http/test-http-peer.ts';
import { openAdapter } from '../open-adapter.ts';
import { SECRET, aChannel, depsOf } from '../test-definition.ts';

const start = () =>
  startHttpPeer(({ body }) => {
    const { data } = JSON.parse(body) as { data: OutboundMessage };
    return { address: data.address, text: data.content['body']! };
  });

const open = (port: number, { host = '127.0.0.1', allowPrivate = true } = {}) =>
  openAdapter(
    aChannel({ adapter: 'webhook', url: `http://${host}:${port}/hook`, secretEnv: 'TEST_SECRET', confirms: true, timeoutMs: 500 }),
    depsOf({ allowPrivate }),
  );

describeChannelAdapterContract('webhook', async () => {
  const peer = await start();
  return { adapter: open(peer.port), peer, arrived: () => peer.arrived(), address: '@customer', dispose: () => peer.stop() };
});

describe('a webhook', () => {
  let peer: HttpPeer;
  beforeEach(async () => void (peer = await start()));
  afterEach(() => peer.stop());

  it('is signed so that a receiver can verify it, by the id of the message', async () => {
    await open(peer.port).send(aMessage('@customer'), new AbortController().signal);
    const { body, headers } = peer.requests[0]!;
    const verified = new Webhook(SECRET).verify(body, headers as Record<string, string>);
    expect(verified).toMatchObject({ type: 'message.send', data: { address: '@customer', communicationId: headers['webhook-id'] } });
    expect(() => new Webhook(SECRET).verify(body.replace('@customer', '@other'), headers as Record<string, string>)).toThrow(/signature/);
  });

  it.each(['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0'])('does not go to %s unless allowed', async (host) => {
    const adapter = open(peer.port, { host, allowPrivate: false });
    expect(await adapter.send(aMessage('@customer'), new AbortController().signal)).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('private address'),
    });
    await expect(adapter.check(new AbortController().signal)).rejects.toThrow(/private address/);
    expect(peer.requests).toEqual([]);
  });

  it('follows no redirect into the private network', async () => {
    peer.answerWith((_, response) => void response.writeHead(307, { location: 'http://169.254.169.254/latest/meta-data' }).end());
    expect(await open(peer.port).send(aMessage('@customer'), new AbortController().signal)).toMatchObject({ kind: 'refused' });
  });
});

describe('public addresses', () => {
  it.each([
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '169.254.169.254',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    'fe80::1',
    'fc00::1',
  ])('are not %s', (address) => expect(isPublicAddress(address)).toBe(false));
  it.each(['::ffff:10.0.0.1', '64:ff9b::a00:1', '2002:a00:1::', 'not an address'])('are not hidden in %s', (address) =>
    expect(isPublicAddress(address)).toBe(false),
  );
  it.each(['93.184.215.14', '2606:2800:21f:cb07:6820:80da:af6b:8b2c'])('are %s', (address) => expect(isPublicAddress(address)).toBe(true));

  it('are judged in every notation of an address that a URL allows', async () => {
    for (const host of ['0x7f.1', '2130706433', '017700000001']) {
      expect(await resolveHost(new URL(`http://${host}/`).hostname, false)).toEqual({ kind: 'private', address: '127.0.0.1' });
    }
  });
});
