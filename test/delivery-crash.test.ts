/**
 * kill -9 of what delivers, while a mail server, an SMSC and a webhook's receiver have taken messages and not yet said so: no message is
 * lost, none is doubled but where the protocol cannot tell and the channel says `resend`, and each that is in doubt is named so.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SMTPServer } from 'smtp-server';
import smpp from 'smpp';
import type { Pdu } from 'smpp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TOPICS, UNSAID, communicationCodec, customerKeyToBytes, decisionIdToBytes, shardOf } from '#contracts';
import type { Communication } from '#contracts';
import { emptyState, encodeState, letOut, outboxOf } from '#feature-store';
import { SECRET } from '../channels/test-definition.ts';
import { customerKey, decisionId, openWorld, readTopic } from '../pipeline/test-world.ts';
import type { World } from '../pipeline/test-world.ts';

const NAMES = ['mail-resend', 'mail-leave', 'sms-resend', 'sms-leave', 'webhook'] as const;
type Name = (typeof NAMES)[number];
const EACH = 16;
/** One after the other, each when so many of a channel are taken. */
const KILLS: readonly (readonly [Name, number])[] = [
  ['webhook', 5],
  ['mail-resend', 4],
];
/** Longer than a claim is held: whoever comes next takes what the dead one had in hand. */
const CLAIM_MS = 121_000;
const HOUR_MS = 3_600_000;

let world: World;
let peers: Peers;
let child: ChildProcess | undefined;

beforeAll(async () => {
  world = await openWorld();
  peers = await startPeers();
});
afterAll(async () => {
  child?.kill('SIGKILL');
  await peers.stop();
  await world.close();
});

test('no message is lost when what delivers is killed, and each doubt is named', { timeout: 120_000 }, async () => {
  for (const name of NAMES) await letOutMessages(name);
  let aheadMs = 0;
  for (const [name, taken] of KILLS) {
    start(aheadMs);
    await killWhen(name, taken);
    aheadMs += CLAIM_MS;
  }
  start(aheadMs);
  await expect.poll(waiting, { timeout: 60_000, interval: 50 }).toBe(0);
  child!.kill('SIGKILL');

  const steps = (await readTopic(world.log, TOPICS.communications)).map(({ value }) => communicationCodec.decode(value));
  const last = new Map(steps.map((step) => [step.communicationId.toString('hex'), step]));
  const report = NAMES.map((name) => {
    const taken = Map.groupBy(peers.taken[name], (id) => id);
    const ids = [...last].flatMap(([id, { channel }]) => (channel === name ? [id] : []));
    const doubled = ids.filter((id) => (taken.get(id)?.length ?? 0) > 1);
    const doubtful = ids.filter((id) => last.get(id)!.doubtful);
    const without = ids.filter((id) => !taken.has(id));
    return { name, ids, doubled, doubtful, without };
  });
  for (const { name, doubled, doubtful, without } of report)
    console.log(`${name}: ${doubled.length} doubled, ${doubtful.length} in doubt, ${without.length} not taken`);

  for (const { name, ids, doubled, doubtful, without } of report) {
    expect(ids, name).toHaveLength(EACH);
    const given = ids.filter((id) => last.get(id)!.state === 'sent');
    switch (name) {
      case 'webhook':
        // Its receiver knows a message by its webhook-id: what came again is not in doubt.
        expect([given.length, without.length, doubtful.length]).toEqual([EACH, 0, 0]);
        break;
      case 'mail-resend':
      case 'sms-resend':
        expect([given.length, without.length], name).toEqual([EACH, 0]);
        expect(doubtful, name).toEqual(expect.arrayContaining(doubled));
        break;
      case 'mail-leave':
      case 'sms-leave':
        expect(doubled, name).toEqual([]);
        expect(doubtful, name).toEqual(expect.arrayContaining(without));
        for (const id of doubtful) expect(last.get(id), name).toMatchObject({ state: 'failed', reasonCode: 'doubtful' });
        expect(given.length + doubtful.length, name).toBe(EACH);
    }
  }
  // The kills struck where it hurts: what was taken and not answered came again where it may.
  expect(report.find(({ name }) => name === 'webhook')!.doubled).not.toEqual([]);
  expect(report.find(({ name }) => name === 'mail-resend')!.doubled).not.toEqual([]);
});

const letOutMessages = async (name: Name): Promise<void> => {
  const key = customerKeyToBytes(customerKey(name));
  const state = emptyState(world.project.featureSet);
  const nowMs = Date.now();
  const ids = Array.from({ length: EACH }, (_, number) => decisionId(name, number * 64));
  for (const id of ids)
    expect(letOut(state, { decisionId: id, actionId: 'a', channel: name, atMs: nowMs, endMs: nowMs + HOUR_MS })).toBe(true);
  const commit = {
    key,
    shard: shardOf(name),
    value: encodeState(state, nowMs),
    expected: null,
    companions: [],
    timer: { from: null, to: state.nextTimerMs },
  };
  expect(await world.store.states.commit([commit])).toEqual(['committed']);
  await world.log.append(
    ids.map((id) => {
      const bytes = decisionIdToBytes(id);
      const record: Communication = {
        ...UNSAID,
        communicationId: bytes,
        decisionId: bytes,
        customerKey: key,
        channel: name,
        treatmentId: 't',
        actionId: 'a',
        state: 'queued',
        at: nowMs,
        address: name.startsWith('mail') ? 'ann@example.org' : '+4915112345678',
        content: JSON.stringify({ subject: 'News', body: bytes.toString('hex') }),
        expiresAt: nowMs + HOUR_MS,
      };
      return { topic: TOPICS.communications, shard: shardOf(name), value: communicationCodec.encode(record) };
    }),
  );
};

const start = (aheadMs: number): void => {
  const settings: Record<Name, object> = {
    'mail-resend': smtpTo(peers.ports['mail-resend']),
    'mail-leave': smtpTo(peers.ports['mail-leave']),
    'sms-resend': smppTo(peers.ports['sms-resend']),
    'sms-leave': smppTo(peers.ports['sms-leave']),
    webhook: {
      adapter: 'webhook',
      url: `http://127.0.0.1:${peers.ports.webhook}/`,
      secretEnv: 'TEST_SECRET',
      confirms: false,
      timeoutMs: 5_000,
    },
  };
  const channels = NAMES.map((name) => ({
    name,
    address: 'address',
    language: null,
    expireAfterMs: HOUR_MS,
    perSecond: null,
    connections: 2,
    attempts: 5,
    firstRetryMs: 20,
    longestRetryMs: 100,
    onDoubt: name.endsWith('resend') ? 'resend' : 'leave',
    settings: settings[name],
  }));
  const args = [join(import.meta.dirname, 'delivering.ts'), world.dir, String(aheadMs), JSON.stringify(channels)];
  const env = { ...process.env, TEST_USER: 'attune', TEST_PASSWORD: 'hunter2', TEST_SECRET: SECRET };
  child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], env });
};

const smtpTo = (port: number): object => ({
  adapter: 'smtp',
  host: '127.0.0.1',
  port,
  security: 'none',
  from: 'care@example.org',
  replyTo: null,
  returnPath: null,
  format: 'text',
  notifications: false,
  userEnv: null,
  passwordEnv: null,
  timeoutMs: 5_000,
  receipt: null,
});
const smppTo = (port: number): object => ({
  adapter: 'smpp',
  host: '127.0.0.1',
  port,
  tls: false,
  from: 'Attune',
  systemType: '',
  systemIdEnv: 'TEST_USER',
  passwordEnv: 'TEST_PASSWORD',
  enquireLinkMs: 60_000,
  timeoutMs: 5_000,
  longMessages: 'udh',
  receipts: false,
  messageIds: 'same',
});

/** At once when so many more are taken, before the last of them is answered. */
const killWhen = async (name: Name, more: number): Promise<void> => {
  const dying = child!;
  const gone = once(dying, 'exit');
  let left = more;
  peers.onTaken = (by) => {
    if (by === name && --left === 0) dying.kill('SIGKILL');
  };
  await gone;
  peers.onTaken = () => {};
  expect(left, 'it ended by itself').toBeLessThanOrEqual(0);
};

/** Messages that nobody has an end for. */
const waiting = async (): Promise<number> => {
  const outboxes = await Promise.all(NAMES.map((name) => world.store.documents.list(outboxOf(name), { limit: 1 })));
  const steps = await readTopic(world.log, TOPICS.communications);
  const ended = new Set(steps.flatMap(({ value }) => endedId(communicationCodec.decode(value))));
  return outboxes.reduce((sum, { total }) => sum + total, 0) + EACH * NAMES.length - ended.size;
};
const endedId = ({ communicationId, state }: Communication): string[] => (state === 'queued' ? [] : [communicationId.toString('hex')]);

interface Peers {
  readonly ports: Readonly<Record<Name, number>>;
  /** Ids of messages, as often as they were taken. */
  readonly taken: Readonly<Record<Name, string[]>>;
  onTaken: (by: Name) => void;
  stop(): Promise<void>;
}

/** Each answers a while after it has taken a message. */
const ANSWER_MS = 15;
const startPeers = async (): Promise<Peers> => {
  const taken: Record<Name, string[]> = { 'mail-resend': [], 'mail-leave': [], 'sms-resend': [], 'sms-leave': [], webhook: [] };
  const started: Peers = {
    ports: { 'mail-resend': 0, 'mail-leave': 0, 'sms-resend': 0, 'sms-leave': 0, webhook: 0 },
    taken,
    onTaken: () => {},
    stop: async () => {},
  };
  const takes =
    (name: Name) =>
    async (id: string): Promise<void> => {
      taken[name].push(id);
      started.onTaken(name);
      await delay(ANSWER_MS);
    };
  const servers: Record<Name, Server> = {
    'mail-resend': mailServer(takes('mail-resend')),
    'mail-leave': mailServer(takes('mail-leave')),
    'sms-resend': smsc(takes('sms-resend')),
    'sms-leave': smsc(takes('sms-leave')),
    webhook: webhookReceiver(takes('webhook')),
  };
  for (const server of Object.values(servers)) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const ports = Object.fromEntries(NAMES.map((name) => [name, (servers[name].address() as AddressInfo).port])) as Record<Name, number>;
  return Object.assign(started, {
    ports,
    stop: async () => void (await Promise.all(Object.values(servers).map((server) => new Promise((resolve) => server.close(resolve))))),
  });
};

type Take = (id: string) => Promise<void>;

const mailServer = (take: Take): Server => {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, _, done) {
      let text = '';
      stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
      stream.on('end', () => void take(/^Message-ID: <([0-9a-f]+)@/im.exec(text)![1]!).then(() => done(null, 'queued')));
    },
  });
  server.on('error', () => {});
  return server.server;
};

const smsc = (take: Take): Server =>
  smpp.createServer((session) => {
    session.on('error', () => {});
    session.on('bind_transceiver', (pdu: Pdu) => session.send(pdu.response()));
    session.on('enquire_link', (pdu: Pdu) => session.send(pdu.response()));
    session.on('submit_sm', (pdu: Pdu) => {
      const { message } = pdu['short_message'] as { readonly message: string };
      void take(message).then(() => session.send(pdu.response({ message_id: message.slice(-16) })));
    });
  });

const webhookReceiver = (take: Take): Server =>
  createServer((request, response) => {
    request.resume();
    request.on('end', () => void take(String(request.headers['webhook-id'])).then(() => response.end('{}')));
  });
