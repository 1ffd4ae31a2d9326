import type { AddressInfo } from 'node:net';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SmtpSettings } from '#project';
import { aMessage, describeChannelAdapterContract } from '../contract-suite.ts';
import type { Peer } from '../contract-suite.ts';
import { openAdapter } from '../open-adapter.ts';
import { aChannel, depsOf } from '../test-definition.ts';

interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly args: Readonly<Record<string, unknown>>;
  readonly source: Buffer;
}

interface MailPeer extends Peer {
  readonly port: number;
  readonly mails: readonly Mail[];
  /** Cuts connections that are open. */
  cut(): void;
}

const failure = (code: number, text: string): Error => Object.assign(new Error(text), { responseCode: code });

const startPeer = async (): Promise<MailPeer> => {
  const mails: Mail[] = [];
  let how = 'well';
  let server: SMTPServer;
  let port = 0;
  const create = (): SMTPServer =>
    new SMTPServer({
      authOptional: true,
      hideENHANCEDSTATUSCODES: false,
      disabledCommands: ['STARTTLS'],
      allowInsecureAuth: true,
      closeTimeout: 50,
      onRcptTo: (_, __, done) => {
        if (how === 'refusing') return done(failure(550, 'no such user'));
        return how === 'busy' ? done(failure(451, 'greylisted')) : done();
      },
      onData(stream, session, done) {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          if (how === 'silent') return;
          const { mailFrom, rcptTo } = session.envelope;
          const from = mailFrom === false ? '' : mailFrom.address;
          mails.push({
            from,
            to: rcptTo.map(({ address }) => address),
            args: (mailFrom && mailFrom.args) || {},
            source: Buffer.concat(chunks),
          });
          done(null, 'queued as 4XYZ');
        });
      },
    });
  const start = async (): Promise<void> => {
    server = create();
    server.on('error', () => {});
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    ({ port } = server.server.address() as AddressInfo);
  };
  await start();
  const cut = (): void => {
    for (const { _socket: socket } of server.connections as unknown as Set<{ _socket: { destroy(): void } }>) socket.destroy();
  };
  return {
    get port() {
      return port;
    },
    mails,
    cut,
    behave: (next) => void (how = next),
    async arrived() {
      return Promise.all(
        mails.map(async ({ to, source }) => ({ address: to.join(), text: ((await simpleParser(source)).text ?? '').trim() })),
      );
    },
    start,
    stop: () =>
      new Promise((resolve) => {
        cut();
        server.close(() => resolve());
      }),
  };
};

const settingsOf = (port: number, more: Partial<SmtpSettings> = {}): SmtpSettings => ({
  adapter: 'smtp',
  host: '127.0.0.1',
  port,
  security: 'opportunistic',
  from: 'Attune <care@example.org>',
  replyTo: null,
  returnPath: null,
  format: 'html',
  notifications: false,
  userEnv: null,
  passwordEnv: null,
  timeoutMs: 500,
  receipt: null,
  ...more,
});

describeChannelAdapterContract('smtp', async () => {
  const peer = await startPeer();
  const adapter = openAdapter(aChannel(settingsOf(peer.port)), depsOf());
  return { adapter, peer, arrived: () => peer.arrived(), address: 'customer@example.org', dispose: () => peer.stop() };
});

describe('an e-mail', () => {
  let peer: MailPeer;
  beforeEach(async () => void (peer = await startPeer()));
  afterEach(() => peer.stop());
  const send = async (address: string, content: Record<string, string>, more: Partial<SmtpSettings> = {}) => {
    const adapter = openAdapter(aChannel(settingsOf(peer.port, more)), depsOf());
    const result = await adapter.send(aMessage(address, { content }), new AbortController().signal);
    await adapter.close();
    return result;
  };

  it('has a subject, a plain and an HTML form, and an id of its own; the queue’s id comes back', async () => {
    const content = { subject: 'Tom &amp; you', body: 'Read &lt;this&gt;.', cta: 'See', url: 'https://example.org/?a=1&amp;b=2' };
    expect(await send('c@example.org', content, { returnPath: 'bounces@example.org' })).toEqual({ kind: 'sent', providerId: '4XYZ' });
    const mail = await simpleParser(peer.mails[0]!.source);
    expect(mail.subject).toBe('Tom & you');
    expect(mail.html).toContain('<p>Read &lt;this&gt;.</p>');
    expect(mail.html).toContain('<a href="https://example.org/?a=1&amp;b=2">See</a>');
    expect(mail.text).toContain('Read <this>.');
    expect(mail.messageId).toBe(`<${aMessage('').communicationId}@example.org>`);
    expect(peer.mails[0]!.from).toBe(`bounces+${aMessage('').communicationId}@example.org`);
  });

  it.each(['a@example.org, b@example.org', 'Name <a@example.org>', 'a@example.org\r\nBcc: b@example.org', 'nobody'])(
    'goes to no address that is not one mailbox: %j',
    async (address) => {
      expect(await send(address, { subject: 's', body: 'b' })).toMatchObject({ kind: 'refused', bounced: true });
      expect(peer.mails).toEqual([]);
    },
  );

  it('takes no headers from its subject', async () => {
    await send('c@example.org', { subject: 'Hello\r\nBcc: eve@example.org', body: 'b' });
    expect(peer.mails[0]!.to).toEqual(['c@example.org']);
    expect((await simpleParser(peer.mails[0]!.source)).bcc).toBeUndefined();
  });

  it('bounces where the server knows no such user', async () => {
    peer.behave('refusing');
    expect(await send('c@example.org', { subject: 's', body: 'b' })).toMatchObject({
      kind: 'refused',
      bounced: true,
      reason: expect.stringContaining('550'),
    });
  });

  it('goes over a new connection when the server closed the idle one', async () => {
    const adapter = openAdapter(aChannel(settingsOf(peer.port)), depsOf());
    const signal = new AbortController().signal;
    await adapter.send(aMessage('a@example.org'), signal);
    peer.cut();
    expect(await adapter.send(aMessage('b@example.org'), signal)).toMatchObject({ kind: 'sent' });
    expect(peer.mails.map(({ to }) => to.join())).toEqual(['a@example.org', 'b@example.org']);
    await adapter.close();
  });
});
