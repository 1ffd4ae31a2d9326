import { describe, expect, it } from 'vitest';
import { ProjectError } from '../faults.ts';
import { createProject } from '../project.ts';
import type { Channels } from './channels.ts';
import { compileChannels } from './compile-channels.ts';

const FEATURES = `attributes:
  email: { type: string, personal: true }
  phone: { type: string, personal: true }
  plan: { type: string }
  language: { type: string }
  preferredChannel: { type: string }
`;
const WORLD = 'channels:\n  email: { directions: [outbound] }\n  sms: { directions: [outbound] }\n  app: { directions: [inbound] }\n';

const compile = (text: string): Channels =>
  compileChannels(
    createProject(
      new Map([
        ['features.yaml', FEATURES],
        ['project.yaml', WORLD],
        ['channels.yaml', text],
      ]),
    ),
  );

const faultsOf = (text: string): string[] => {
  try {
    compile(text);
  } catch (error) {
    if (error instanceof ProjectError) return error.faults.map(({ file, line, message }) => `${file}:${line} ${message}`);
    throw error;
  }
  return [];
};

const WHOLE = `fallback: [email, sms]
preferred: preferredChannel
callbacks: { allowPrivate: true }
requests: { action: service-message, purposes: { marketing: offer-message } }
channels:
  email:
    adapter: smtp
    address: email
    language: language
    expireAfter: 24h
    perSecond: 50
    connections: 2
    attempts: 7
    firstRetry: 30s
    longestRetry: 30m
    onDoubt: resend
    settings: { host: localhost, from: 'Attune <care@example.org>', userEnv: ATTUNE_SMTP_USER, passwordEnv: ATTUNE_SMTP_PASSWORD }
  sms:
    adapter: http
    address: phone
    settings:
      url: https://sms.example.org/v1/send
      headersEnv: { Authorization: ATTUNE_SMS_TOKEN }
      body: { to: '{{address}}', text: '{{content.body}}' }
      providerId: messages.0.id
      receipt:
        tokenEnv: ATTUNE_SMS_RECEIPTS
        providerId: id
        state: status
        states: { delivered: [DELIVRD], failed: [UNDELIV, REJECTD], expired: [EXPIRED] }
caps:
  - { channel: sms, max: 100000, per: day }
`;

describe('channels.yaml', () => {
  it('is read whole, with defaults for what is not said', () => {
    const { fallback, preferred, callbacks, requests, channels, caps } = compile(WHOLE);
    expect({ fallback, preferred, callbacks }).toEqual({
      fallback: ['email', 'sms'],
      preferred: 'preferredChannel',
      callbacks: { allowPrivate: true },
    });
    expect(requests).toEqual({ action: 'service-message', purposes: new Map([['marketing', 'offer-message']]) });
    expect(caps).toEqual([{ channel: 'sms', action: null, max: 100_000, per: 'day' }]);
    const { settings, ...email } = channels.get('email')!;
    expect(email).toEqual({
      name: 'email',
      address: 'email',
      language: 'language',
      expireAfterMs: 86_400_000,
      perSecond: 50,
      connections: 2,
      attempts: 7,
      firstRetryMs: 30_000,
      longestRetryMs: 1_800_000,
      onDoubt: 'resend',
    });
    expect(settings).toMatchObject({ adapter: 'smtp', port: 25, security: 'opportunistic', passwordEnv: 'ATTUNE_SMTP_PASSWORD' });
    const sms = channels.get('sms')!;
    expect(sms).toMatchObject({ language: null, perSecond: null, connections: 4, attempts: 5, onDoubt: 'leave' });
    expect(sms.settings).toMatchObject({
      receipt: {
        by: { kind: 'token' },
        states: new Map(Object.entries({ delivrd: 'delivered', undeliv: 'failed', rejectd: 'failed', expired: 'expired' })),
      },
    });
  });

  it('may be absent: then Attune delivers nothing', () => {
    expect(compileChannels(createProject(new Map([['project.yaml', WORLD]]))).channels.size).toBe(0);
  });

  it.each([
    ['an unknown field', 'port: 25', 'prot: 25', "channels.yaml:4 unknown field 'prot'"],
    ['a port that is none', 'port: 25', 'port: 70000', "channels.yaml:4 'port' must be a whole number from 1 to 65535, not 70000"],
    [
      'an adapter that there is not',
      'adapter: smtp',
      'adapter: fax',
      "channels.yaml:2 'adapter' must be one of smtp, smpp, http, webhook, file",
    ],
    ['an attribute that there is not', 'address: email', 'address: mail', "channels.yaml:3 features.yaml has no attribute 'mail'"],
    ['an address that is not personal', 'address: email', 'address: plan', "channels.yaml:3 attribute 'plan' is an address"],
    ['a sender that is none', 'from: care@example.org', 'from: care', "channels.yaml:4 'from' must be an e-mail address"],
    [
      'a password instead of its variable',
      'port: 25',
      'passwordEnv: hunter2',
      "channels.yaml:4 'passwordEnv' must be the name of an environment variable",
    ],
    [
      'a password over a plain connection',
      'port: 25',
      'security: none, userEnv: A, passwordEnv: B',
      'channels.yaml:4 a password does not go over a plain connection',
    ],
    ['a channel that customers come in by', 'email:', 'app:', "channels.yaml:1 project.yaml does not allow outbound on 'app'"],
  ])('refuses %s, with its line', (_, good, bad, expected) => {
    const lines = [
      'channels: { email: {',
      '  adapter: smtp,',
      '  address: email,',
      '  settings: { host: a, port: 25, from: care@example.org }',
      '  } }',
    ].join('\n');
    expect(faultsOf(lines)).toEqual([]);
    expect(faultsOf(lines.replace(good, bad))).toContainEqual(expect.stringContaining(expected));
  });

  it.each([
    [
      'a host that depends on the message',
      { url: 'https://{{address}}/x', secretEnv: 'A' },
      "'url' must be an http or https URL whose host is fixed",
    ],
    ['another scheme', { url: 'file:///etc/passwd', secretEnv: 'A' }, "'url' must be an http or https URL"],
    ['a webhook without a secret', { url: 'https://example.org/' }, "'secretEnv' is missing"],
  ])('refuses %s', (_, settings, expected) => {
    const text = JSON.stringify({ channels: { email: { adapter: 'webhook', address: 'email', settings } } });
    expect(faultsOf(text)).toContainEqual(expect.stringContaining(expected));
  });

  it('refuses receipts that anybody could send, and files outside the data directory', () => {
    const http = {
      adapter: 'http',
      address: 'phone',
      settings: { url: 'https://a.example/', receipt: { providerId: 'id', state: 's', states: {} } },
    };
    const file = { adapter: 'file', address: 'email', settings: { path: '../x.jsonl' } };
    const faults = faultsOf(JSON.stringify({ channels: { sms: http, email: file } }));
    expect(faults).toContainEqual(expect.stringContaining('a receipt needs one proof of who sends it'));
    expect(faults).toContainEqual(expect.stringContaining('stays in it'));
  });

  it('names a fall-back that is no channel, and a cap on nothing', () => {
    const faults = faultsOf(JSON.stringify({ fallback: ['fax'], channels: {}, caps: [{ max: 1, per: 'day' }] }));
    expect(faults).toEqual([expect.stringContaining('a cap names a channel'), expect.stringContaining("'fax' is not a channel")]);
  });
});
