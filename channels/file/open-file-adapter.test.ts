import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { DeliveryReceipt, OutboundMessage } from '#contracts';
import { aMessage, describeChannelAdapterContract } from '../contract-suite.ts';
import { openAdapter } from '../open-adapter.ts';
import { aChannel, depsOf } from '../test-definition.ts';

const open = () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'attune-channel-'));
  const adapter = openAdapter(aChannel({ adapter: 'file', path: 'outbox/test.jsonl' }), depsOf({ dataDir }));
  const lines = (): OutboundMessage[] => {
    const file = join(dataDir, 'outbox/test.jsonl');
    if (!existsSync(file)) return [];
    const text = readFileSync(file, 'utf8');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as OutboundMessage);
  };
  return { adapter, lines, dispose: async () => rmSync(dataDir, { recursive: true, force: true }) };
};

describeChannelAdapterContract('file', async () => {
  const { adapter, lines, dispose } = open();
  const arrived = async () => lines().map(({ address, content }) => ({ address, text: content['body']! }));
  return { adapter, dispose, arrived, peer: null, address: 'customer@example.org' };
});

it('says that what it wrote is delivered', async () => {
  const { adapter, dispose } = open();
  const told: DeliveryReceipt[] = [];
  adapter.onReceipt(async (receipt) => void told.push(receipt));
  const message = aMessage('customer@example.org');
  await adapter.send(message, new AbortController().signal);
  expect(told).toEqual([]);
  await new Promise((resolve) => setImmediate(resolve));
  await adapter.close();
  expect(told).toMatchObject([{ communicationId: message.communicationId, state: 'delivered' }]);
  await dispose();
});
