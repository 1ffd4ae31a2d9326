import { simpleParser } from 'mailparser';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SmtpSettings } from '#project';
import { aMessage, describeChannelAdapterContract } from '../contract-suite.ts';
import { openAdapter } from '../open-adapter.ts';
import { aChannel, depsOf } from '../test-definition.ts';
import { settingsOf, startMailPeer } from './test-mail-peer.ts';
import type { MailPeer } from './test-mail-peer.ts';

describeChannelAdapterContract('smtp', async () => {
  const peer = await startMailPeer();
  const adapter = openAdapter(aChannel(settingsOf(peer.port)), depsOf());
  return { adapter, peer, arrived: () => peer.arrived(), address: 'customer@example.org', dispose: () => peer.stop() };
});

describe('an e-mail', () => {
  let peer: MailPeer;
  beforeEach(async () => void (peer = await startMailPeer()));
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

  it('bounces where the server knows no such user, and does not repeat the address', async () => {
    peer.behave('refusing');
    expect(await send('c@example.org', { subject: 's', body: 'b' })).toMatchObject({
      kind: 'refused',
      bounced: true,
      reason: '550 5.1.1 <…>: no such user (<…>)',
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
