import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { COMMUNICATION_KIND, TOPICS, UNSAID, communicationCodec, customerKeyToBytes, decisionIdToBytes, shardOf } from '#contracts';
import type { Communication, CommunicationDocument } from '#contracts';
import { applyStep, outboxOf, positionPrefixOf, timerOf } from '#feature-store';
import type { ChannelDefinition, HttpSettings } from '#project';
import { startHttpPeer } from '../../channels/http/test-http-peer.ts';
import type { HttpPeer } from '../../channels/http/test-http-peer.ts';
import { openAdapter } from '../../channels/open-adapter.ts';
import { aChannel, depsOf } from '../../channels/test-definition.ts';
import { SILENT } from '../role.ts';
import { customerKey, decisionId, openWorld } from '../test-world.ts';
import type { World } from '../test-world.ts';
import { createDeliverRole } from './deliver-role.ts';
import { letOutBy } from './test-let-out.ts';
import type { DeliverRole } from './deliver-role.ts';

const http = (port: number): HttpSettings => ({
  adapter: 'http',
  url: `http://127.0.0.1:${port}/`,
  method: 'POST',
  headers: new Map(),
  headersEnv: new Map(),
  format: 'json',
  body: { to: '{{address}}', text: '{{content.body}}' },
  providerId: 'id',
  idempotencyHeader: null,
  checkUrl: null,
  timeoutMs: 150,
  receipt: null,
});

const QUICK = { firstRetryMs: 5, longestRetryMs: 10, attempts: 3 };

describe('deliver', () => {
  let world: World;
  let peer: HttpPeer;
  let role: DeliverRole | undefined;
  let aheadMs: number;
  let queued: Set<number>;

  beforeEach(async () => {
    aheadMs = 0;
    queued = new Set();
    world = await openWorld();
    peer = await startHttpPeer(({ body }) => ({ address: '', text: body }));
  });
  afterEach(async () => {
    await role?.stop();
    role = undefined;
    await peer.stop();
    await world.close();
  });

  const start = async (definitions: readonly ChannelDefinition[]): Promise<DeliverRole> => {
    const channels = definitions.map((definition) => ({ definition, adapter: openAdapter(definition, depsOf({ dataDir: world.dir })) }));
    role = createDeliverRole({
      log: world.log,
      store: world.store,
      featureSet: () => world.project.featureSet,
      channels,
      clock: () => Date.now() + aheadMs,
      random: () => 0.5,
      logger: SILENT,
    });
    await role.start();
    return role;
  };

  const queue = async (channel: string, number: number, more: Partial<Communication> = {}): Promise<string> => {
    if (!queued.has(number)) await letOutBy(world, number, channel);
    queued.add(number);
    return append(channel, number, more);
  };

  /** Without the commit that would follow. */
  const append = async (channel: string, number: number, more: Partial<Communication> = {}): Promise<string> => {
    const id = decisionIdToBytes(decisionId('ann', number * 64));
    const record: Communication = {
      ...UNSAID,
      communicationId: id,
      decisionId: id,
      customerKey: customerKeyToBytes(customerKey('ann')),
      channel,
      treatmentId: 't',
      actionId: 'a',
      state: 'queued',
      at: Date.now(),
      address: '+49151',
      content: JSON.stringify({ body: `message ${number}` }),
      expiresAt: Date.now() + 60_000,
      ...more,
    };
    await world.log.append([{ topic: TOPICS.communications, shard: shardOf('ann'), value: communicationCodec.encode(record) }]);
    return id.toString('hex');
  };

  const documentOf = async (id: string): Promise<CommunicationDocument | null> => {
    const stored = await world.store.documents.get(COMMUNICATION_KIND, id);
    return stored === null ? null : (JSON.parse(stored.body.toString()) as CommunicationDocument);
  };
  const becomes = (id: string, state: string) => expect.poll(async () => (await documentOf(id))?.state, { timeout: 5_000 }).toBe(state);

  const steps = async (): Promise<string[]> => {
    const found: string[] = [];
    for (let partition = 0; partition < world.log.partitions; partition++) {
      const records = await world.log.read(TOPICS.communications, partition, 0, 100);
      found.push(...records.map(({ value }) => communicationCodec.decode(value).state));
    }
    return found;
  };

  it('brings a message that was queued twice to its channel once, and writes down each step', async () => {
    await start([aChannel({ adapter: 'file', path: 'out.jsonl' }, { name: 'mail' })]);
    const id = await queue('mail', 1);
    await queue('mail', 1);
    await becomes(id, 'delivered');
    expect((await documentOf(id))!.history.map(({ state }) => state)).toEqual(['queued', 'sent', 'delivered']);
    expect(readFileSync(join(world.dir, 'out.jsonl'), 'utf8').trim().split('\n')).toHaveLength(1);
    expect((await steps()).toSorted()).toEqual(['delivered', 'queued', 'queued', 'sent']);
    expect(await world.store.documents.due(outboxOf('mail'), Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
  });

  it('leaves messages alone whose channel is not one of its own', async () => {
    await start([aChannel({ adapter: 'file', path: 'out.jsonl' }, { name: 'mail' })]);
    const other = await queue('app', 1);
    await becomes(await queue('mail', 2), 'delivered');
    expect(await documentOf(other)).toBeNull();
  });

  it('tries again what was put off, and gives up after so many attempts', async () => {
    peer.behave('busy');
    const { counters } = await start([aChannel(http(peer.port), { name: 'sms', ...QUICK })]);
    const id = await queue('sms', 1);
    await becomes(id, 'failed');
    expect(peer.requests).toHaveLength(3);
    expect(await documentOf(id)).toMatchObject({ attempts: 3, doubtful: false, reasonCode: expect.stringContaining('503') });
    expect(counters).toMatchObject({ attempts: 3, retries: 2, failed: 1, sent: 0 });
  });

  it('never sends what nobody wants any more', async () => {
    await start([aChannel(http(peer.port), { name: 'sms' })]);
    await becomes(await queue('sms', 1, { expiresAt: Date.now() - 1 }), 'expired');
    expect(peer.requests).toEqual([]);
  });

  it.each([
    ['leaves a message of which the peer cannot tell, and says so', 'leave', 1],
    ['sends it again where the channel says so, and counts it', 'resend', 3],
  ] as const)('%s', async (_, onDoubt, requests) => {
    peer.behave('silent');
    const { counters } = await start([aChannel(http(peer.port), { name: 'sms', ...QUICK, onDoubt })]);
    const id = await queue('sms', 1);
    await becomes(id, 'failed');
    expect(peer.requests).toHaveLength(requests);
    expect((await documentOf(id))!.doubtful).toBe(true);
    expect(counters.doubtful).toBe(requests);
  });

  it.each([
    ['is left', 'leave', 'failed', 0],
    ['is sent again', 'resend', 'sent', 1],
  ] as const)('knows an attempt that a dead process left without a result: it %s, marked doubtful', async (_, onDoubt, state, requests) => {
    await start([]);
    const id = await queue('sms', 1);
    await role!.stop();
    // As the dead process left it: claimed, attempted, no result.
    const body = Buffer.from(JSON.stringify({ attempt: 1, doubtful: false }));
    const customer = customerKeyToBytes(customerKey('ann'));
    await world.store.documents.put(outboxOf('sms'), { id, customerKey: customer, state: 'sending', atMs: 1, dueMs: 1, body }, null);
    const { documents } = world.store;
    const [record] = (await Promise.all([0, 1].map((partition) => world.log.read(TOPICS.communications, partition, 0, 1)))).flat();
    await applyStep(documents, communicationCodec.decode(record!.value));
    await start([aChannel(http(peer.port), { name: 'sms', ...QUICK, onDoubt })]);
    await becomes(id, state);
    expect(await documentOf(id)).toMatchObject({ doubtful: true });
    expect(peer.requests).toHaveLength(requests);
    expect(role!.counters.doubtful).toBe(1);
  });

  it('does not hold up one channel by another that answers nothing', async () => {
    peer.behave('silent');
    await start([
      aChannel(http(peer.port), { name: 'sms', connections: 1 }),
      aChannel({ adapter: 'file', path: 'out.jsonl' }, { name: 'mail' }),
    ]);
    for (let number = 0; number < 12; number++) await queue('sms', number);
    const began = Date.now();
    await becomes(await queue('mail', 99), 'delivered');
    expect(Date.now() - began).toBeLessThan(12 * 150);
  });

  it('forgets a message with its customer, even one that waits', async () => {
    await start([aChannel(http(peer.port), { name: 'sms', firstRetryMs: 100 })]);
    peer.behave('busy');
    const id = await queue('sms', 1);
    await expect.poll(() => peer.requests.length).toBe(1);
    await world.store.documents.forget(customerKeyToBytes(customerKey('ann')));
    peer.behave('well');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await documentOf(id)).toBeNull();
    expect(peer.requests).toHaveLength(1);
  });

  it('never sends what was queued and not committed, and says so', async () => {
    const { counters } = await start([aChannel(http(peer.port), { name: 'sms' })]);
    await letOutBy(world, 1, 'sms');
    const id = await append('sms', 2);
    await expect.poll(() => counters.queued).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect((await documentOf(id))!.state).toBe('queued');
    aheadMs = 11_000;
    await becomes(id, 'cancelled');
    expect(await documentOf(id)).toMatchObject({ reasonCode: 'not-let-out', attempts: 0 });
    await expect.poll(async () => (await steps()).toSorted()).toEqual(['cancelled', 'queued']);
    expect(peer.requests).toEqual([]);
    await expect.poll(() => counters).toMatchObject({ cancelled: 1, attempts: 0 });
    await expect.poll(() => world.store.documents.due(outboxOf('sms'), Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
  });

  it('waits for the commit that comes after the record', async () => {
    const { counters } = await start([aChannel(http(peer.port), { name: 'sms' })]);
    const id = await append('sms', 1);
    await expect.poll(() => counters.queued).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(peer.requests).toEqual([]);
    await letOutBy(world, 1, 'sms');
    await becomes(id, 'sent');
    expect(peer.requests).toHaveLength(1);
  });

  it('sends nothing to a customer who was erased, and keeps nothing of what came too late', async () => {
    await start([aChannel(http(peer.port), { name: 'sms' })]);
    await letOutBy(world, 1, 'sms');
    const key = customerKeyToBytes(customerKey('ann'));
    const value = (await world.store.states.read(key, shardOf('ann')))!;
    const gone = { key, shard: shardOf('ann'), value: null, expected: positionPrefixOf(value), companions: [], wipe: true };
    await world.store.states.commit([{ ...gone, timer: { from: timerOf(value), to: null } }]);
    const id = await append('sms', 1);
    await becomes(id, 'queued');
    await expect.poll(async () => (await world.store.documents.get(outboxOf('sms'), id))?.body.includes('soughtMs')).toBe(true);
    aheadMs = 11_000;
    await expect.poll(() => documentOf(id), { timeout: 5_000 }).toBeNull();
    expect(peer.requests).toEqual([]);
  });

  it('takes text and address from the document of who asked, and leaves alone what was cancelled', async () => {
    await start([aChannel(http(peer.port), { name: 'sms' })]);
    const ask = async (number: number, state: 'requested' | 'cancelled'): Promise<string> => {
      const id = decisionIdToBytes(decisionId('ann', number * 64)).toString('hex');
      const asked: CommunicationDocument = {
        communicationId: id,
        decisionId: decisionId('ann', number * 64),
        customerId: 'ann',
        customerKey: customerKey('ann'),
        channel: 'sms',
        actionId: 'a',
        treatmentId: 't',
        cause: 'tmf681',
        state,
        reasonCode: null,
        address: '+49160',
        content: { body: `asked ${number}` },
        language: null,
        expiresAt: null,
        attempts: 0,
        providerId: null,
        doubtful: false,
        history: [{ state, at: 1, reasonCode: null }],
        tmf: null,
      };
      const body = Buffer.from(JSON.stringify(asked));
      const customer = customerKeyToBytes(customerKey('ann'));
      await world.store.documents.put(COMMUNICATION_KIND, { id, customerKey: customer, state, atMs: 1, dueMs: null, body }, null);
      return id;
    };
    const cancelled = await ask(1, 'cancelled');
    await queue('sms', 1, { address: '+49151', content: null });
    const id = await ask(2, 'requested');
    await queue('sms', 2, { address: '+49151', content: null });
    await becomes(id, 'sent');
    expect(peer.requests.map(({ body }) => body)).toEqual([JSON.stringify({ to: '+49160', text: 'asked 2' })]);
    expect((await documentOf(cancelled))!.state).toBe('cancelled');
  });
});
