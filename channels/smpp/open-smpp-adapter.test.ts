import type { AddressInfo } from 'node:net';
import smpp from 'smpp';
import type { Pdu, Server, Session } from 'smpp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeliveryReceipt } from '#contracts';
import type { SmppSettings } from '#project';
import { aMessage, describeChannelAdapterContract } from '../contract-suite.ts';
import type { Arrived, Peer } from '../contract-suite.ts';
import { openAdapter } from '../open-adapter.ts';
import { aChannel, depsOf } from '../test-definition.ts';

interface Smsc extends Peer {
  readonly port: number;
  readonly submitted: readonly Pdu[];
  readonly enquiries: () => number;
  receipt(fields: Readonly<Record<string, unknown>>): Promise<number>;
}

const STATUS: Readonly<Record<string, string>> = { busy: 'ESME_RTHROTTLED', refusing: 'ESME_RINVDSTADR' };
const textOf = (pdu: Pdu): string => (pdu['short_message'] as { message?: string }).message ?? '';

const startSmsc = async (): Promise<Smsc> => {
  const submitted: Pdu[] = [];
  const sessions = new Set<Session>();
  let how = 'well';
  let enquiries = 0;
  let port = 0;
  let server: Server;
  const create = (): Server =>
    smpp.createServer((session) => {
      sessions.add(session);
      session.on('error', () => {});
      session.on('close', () => sessions.delete(session));
      session.on('bind_transceiver', (pdu: Pdu) => {
        const isKnown = pdu['system_id'] === 'attune' && pdu['password'] === 'hunter2';
        session.send(pdu.response(isKnown ? {} : { command_status: smpp.errors['ESME_RINVPASWD'] }));
      });
      session.on('enquire_link', (pdu: Pdu) => {
        enquiries++;
        session.send(pdu.response());
      });
      session.on('unbind', (pdu: Pdu) => {
        session.send(pdu.response());
        session.close();
      });
      session.on('submit_sm', (pdu: Pdu) => {
        if (how === 'silent') return;
        if (how !== 'well') return void session.send(pdu.response({ command_status: smpp.errors[STATUS[how]!] }));
        submitted.push(pdu);
        session.send(pdu.response({ message_id: `AB${submitted.length}` }));
      });
    });
  const start = async (): Promise<void> => {
    server = create();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  };
  await start();
  return {
    get port() {
      return port;
    },
    submitted,
    enquiries: () => enquiries,
    behave: (next) => void (how = next),
    arrived: async (): Promise<Arrived[]> => submitted.map((pdu) => ({ address: `+${pdu.destination_addr}`, text: textOf(pdu) })),
    start,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
    receipt: (fields) =>
      new Promise((resolve) => [...sessions][0]!.deliver_sm({ esm_class: 4, ...fields }, ({ command_status: status }) => resolve(status))),
  };
};

const settingsOf = (port: number, more: Partial<SmppSettings> = {}): SmppSettings => ({
  adapter: 'smpp',
  host: '127.0.0.1',
  port,
  tls: false,
  from: 'Attune',
  systemType: '',
  systemIdEnv: 'TEST_USER',
  passwordEnv: 'TEST_PASSWORD',
  enquireLinkMs: 60_000,
  timeoutMs: 500,
  longMessages: 'udh',
  receipts: true,
  messageIds: 'same',
  ...more,
});

describeChannelAdapterContract('smpp', async () => {
  const peer = await startSmsc();
  const adapter = openAdapter(aChannel(settingsOf(peer.port)), depsOf());
  return { adapter, peer, arrived: () => peer.arrived(), address: '+4915112345678', dispose: () => peer.stop() };
});

describe('a short message', () => {
  let peer: Smsc;
  let closes: (() => Promise<void>)[];
  beforeEach(async () => {
    peer = await startSmsc();
    closes = [];
  });
  afterEach(async () => {
    for (const close of closes) await close();
    await peer.stop();
  });
  const open = (more: Partial<SmppSettings> = {}) => {
    const adapter = openAdapter(aChannel(settingsOf(peer.port, more)), depsOf());
    closes.push(() => adapter.close());
    return adapter;
  };
  const send = (body: string, more: Partial<SmppSettings> = {}, address = '+4915112345678') =>
    open(more).send(aMessage(address, { content: { body } }), new AbortController().signal);

  it('goes from its sender with a time to expire, and asks for a receipt', async () => {
    expect(await send('Hello', { from: '49800' })).toEqual({ kind: 'sent', providerId: 'ab1' });
    expect(peer.submitted[0]).toMatchObject({ source_addr: '49800', source_addr_ton: 3, data_coding: 0, registered_delivery: 1 });
    expect(peer.submitted[0]!['validity_period']).toEqual(new Date(Date.UTC(2036, 0, 1)));
  });

  it.each([
    ['letters of the GSM alphabet', 'x'.repeat(152) + '€'.repeat(10) + 'y'.repeat(150), 0, 3],
    ['others, without cutting a character', 'ж'.repeat(66) + '😀'.repeat(40), 8, 3],
  ])('that is long goes in parts of one message: %s', async (_, body, coding, parts) => {
    expect(await send(body)).toEqual({ kind: 'sent', providerId: `ab${parts}` });
    expect(peer.submitted.map(textOf).join('')).toBe(body);
    expect(peer.submitted.map((pdu) => pdu['data_coding'])).toEqual(Array.from({ length: parts }, () => coding));
    for (const pdu of peer.submitted) expect(textOf(pdu)).not.toMatch(/\uFFFD/);
    expect(peer.submitted.map((pdu) => pdu['registered_delivery'])).toEqual([0, 0, 1]);
    const headers = peer.submitted.map((pdu) => ((pdu['short_message'] as { udh: Buffer[] }).udh[0] as Buffer).subarray(2));
    expect(headers.map((header) => [header[1], header[2]])).toEqual([
      [3, 1],
      [3, 2],
      [3, 3],
    ]);
    expect(new Set(headers.map((header) => header[0])).size).toBe(1);
  });

  it('may go whole in message_payload', async () => {
    const body = 'long '.repeat(100);
    expect(await send(body, { longMessages: 'payload' })).toEqual({ kind: 'sent', providerId: 'ab1' });
    expect((peer.submitted[0]!['message_payload'] as { message: string }).message).toBe(body);
  });

  it('goes to telephone numbers only', async () => {
    expect(await send('x', {}, 'customer')).toMatchObject({ kind: 'refused', bounced: true });
  });

  it('waits while the SMSC does not know us', async () => {
    expect(await send('x', { systemIdEnv: 'TEST_PASSWORD' })).toEqual({
      kind: 'retry',
      reason: expect.stringContaining('ESME_RINVPASWD'),
      afterMs: null,
    });
  });

  it('is followed by its receipt, in parameters or in text, by one form of id', async () => {
    const told: DeliveryReceipt[] = [];
    const adapter = open({ messageIds: 'hexadecimal' });
    adapter.onReceipt(async (receipt) => void told.push(receipt));
    expect(await adapter.send(aMessage('+4915112345678'), new AbortController().signal)).toEqual({ kind: 'sent', providerId: '2737' });
    expect(await peer.receipt({ receipted_message_id: '2737', message_state: 2 })).toBe(0);
    expect(
      await peer.receipt({
        short_message: 'id:2737 sub:001 dlvrd:000 submit date:2612010000 done date:2612010001 stat:UNDELIV err:011 text:',
      }),
    ).toBe(0);
    expect(await peer.receipt({ short_message: 'id:2737 stat:ENROUTE err:000' })).toBe(0);
    expect(told).toMatchObject([
      { providerId: '2737', state: 'delivered', reason: null },
      { providerId: '2737', state: 'failed', reason: 'UNDELIV 011' },
    ]);
  });

  it('has its receipt told again when it could not be recorded', async () => {
    const adapter = open();
    adapter.onReceipt(() => Promise.reject(new Error('the log is away')));
    await adapter.check(new AbortController().signal);
    expect(await peer.receipt({ receipted_message_id: 'AB1', message_state: 2 })).toBe(smpp.errors['ESME_RX_T_APPN']);
    expect(await peer.receipt({ esm_class: 0, short_message: 'STOP' })).toBe(smpp.errors['ESME_RX_R_APPN']);
  });

  it('finds its way after the SMSC was away, without a message to send', async () => {
    const adapter = open({ enquireLinkMs: 30 });
    await adapter.check(new AbortController().signal);
    await expect.poll(() => peer.enquiries()).toBeGreaterThan(1);
    await peer.stop();
    await peer.start();
    const before = peer.enquiries();
    await expect.poll(() => peer.enquiries(), { timeout: 3_000 }).toBeGreaterThan(before);
  });
});
