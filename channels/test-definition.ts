/** A channel for the adapters' tests. */
import type { ChannelDefinition, ChannelSettings } from '#project';
import type { AdapterDeps } from './deps.ts';

export const aChannel = (settings: ChannelSettings, more: Partial<ChannelDefinition> = {}): ChannelDefinition => ({
  name: 'test',
  address: 'address',
  language: null,
  expireAfterMs: 86_400_000,
  perSecond: null,
  connections: 4,
  attempts: 5,
  firstRetryMs: 1_000,
  longestRetryMs: 10_000,
  onDoubt: 'leave',
  settings,
  ...more,
});

export const SECRET = `whsec_${Buffer.from('a secret of the tests').toString('base64')}`;

export const depsOf = (more: Partial<AdapterDeps> = {}): AdapterDeps => ({
  env: { TEST_USER: 'attune', TEST_PASSWORD: 'hunter2', TEST_SECRET: SECRET },
  dataDir: '/nowhere',
  clock: Date.now,
  allowPrivate: true,
  ...more,
});
