/** The telco catalog whose triggers reach each customer once by e-mail and once by SMS, under the telco's own contact policy. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const TELCO = join(import.meta.dirname, '../../catalog/telco');
export const CHANNELS = ['email', 'sms'] as const;
export type BenchChannel = (typeof CHANNELS)[number];

/** Secrets that the catalog's channels name. */
export const SECRETS = { BENCH_SMSC_USER: 'attune', BENCH_SMSC_PASSWORD: 'hunter2' };

export const writeBenchCatalog = (dir: string, ports: Readonly<Record<BenchChannel, number>>, nowMs: number): void => {
  cpSync(TELCO, dir, { recursive: true });
  const write = (name: string, content: object): void => writeFileSync(join(dir, name), JSON.stringify(content));
  // Of the policy only the hour of its night is another, so that the run may be at any hour: customers are in UTC, their night is far from now.
  const hour = new Date(nowMs).getUTCHours();
  const policies = readFileSync(join(dir, 'policies.yaml'), 'utf8');
  const night = `{ from: ${(hour + 10) % 24}, to: ${(hour + 14) % 24} }`;
  writeFileSync(
    join(dir, 'policies.yaml'),
    policies.replace(/quietHours: \{.*\}/, `quietHours: ${night}`).replace(/shares: \{.*\}/, 'shares: { random: 0, untouched: 0 }'),
  );
  write('actions/bench.yaml', { actions: CHANNELS.map(actionOf) });
  write('triggers.yaml', { triggers: CHANNELS.map(triggerOf) });
  const common = { language: 'language', onDoubt: 'leave', connections: 40, firstRetry: '1s', longestRetry: '5s' };
  write('channels.yaml', {
    fallback: CHANNELS,
    channels: {
      email: {
        ...common,
        adapter: 'smtp',
        address: 'email',
        settings: { host: '127.0.0.1', port: ports.email, security: 'none', from: 'Attune <care@example.org>' },
      },
      sms: {
        ...common,
        adapter: 'smpp',
        address: 'phone',
        settings: {
          host: '127.0.0.1',
          port: ports.sms,
          from: 'Attune',
          systemIdEnv: 'BENCH_SMSC_USER',
          passwordEnv: 'BENCH_SMSC_PASSWORD',
          receipts: true,
        },
      },
    },
    caps: [{ channel: 'sms', max: 1_000_000, per: 'day' }],
  });
};

const actionOf = (channel: BenchChannel): object => ({
  id: `bench-${channel}`,
  name: `News by ${channel}`,
  group: 'care',
  topic: 'support',
  value: 10,
  // Everyone who is asked about gets one, and nobody is held out.
  mandatory: true,
  eligibility: [{ when: 'context.reason == "bench"', reason: 'It goes out in the benchmark only.' }],
  treatments: [
    {
      channel,
      direction: 'outbound',
      content: {
        subject: 'News of your contract',
        body: 'Dear {{customer.name}}, there is news of your contract: https://attune.example/news',
      },
    },
  ],
});

const triggerOf = (channel: BenchChannel): object => ({
  id: `bench-${channel}`,
  description: `News by ${channel}.`,
  event: 'promotion.announced',
  when: `event.data.campaign == "${channel}"`,
  scope: { actions: [`bench-${channel}`] },
  channel,
  context: { reason: 'bench' },
});
