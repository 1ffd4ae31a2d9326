/** Many racing requests to write to the same few customers: the API's decisions, triggers, a segment and TMF681's messages; and those who receive. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { followControls } from '#event-log';
import type { EventLog } from '#event-log';
import type { FeatureStore } from '#feature-store';
import { createServing } from '#serving';
import type { Receipt, StormRules } from './limits-oracle.ts';
import { STORM_SECRET_ENV, STORM_SEGMENT, ZONES, writeStormCatalog } from './storm-catalog.ts';

export interface Storm {
  readonly catalogDir: string;
  readonly rules: StormRules;
  /** Of the pipelines. */
  readonly env: NodeJS.ProcessEnv;
  readonly customers: readonly string[];
  /** Addresses of those in daylight: nothing but limits and caps holds back what is for them. */
  readonly inDaylight: readonly string[];
  rage(): void;
  /** Resolves when every request has its answer, to how often which status came. */
  calm(): Promise<Readonly<Record<string, number>>>;
  /** What receivers got, in the order of its coming. @param dataDirs of the pipelines */
  received(dataDirs: readonly string[]): readonly Receipt[];
  readonly zoneOf: (address: string) => string;
  close(): Promise<void>;
}

const TICK_MS = 120;
/** Each run asks itself about all of them at once. */
const TURNS_OF_AN_ORDER = 50;
const KINDS = ['day', 'day', 'day', 'day', 'night', 'dusk'] as const;
const CUSTOMERS = 12;
const MESSAGES = '/tmf-api/communicationManagement/v4/communicationMessage';

/** @param idKey of the pipelines' world */
export const openStorm = async (deps: {
  readonly log: EventLog;
  readonly store: FeatureStore;
  readonly dir: string;
  readonly idKey: string;
}): Promise<Storm> => {
  const receiver = await startReceiver();
  const catalogDir = join(deps.dir, 'catalog');
  const rules = writeStormCatalog(catalogDir, receiver.url, Date.now());
  const serving = await createServing({
    ...deps,
    archive: null,
    catalogDir,
    apiKeys: [],
    clock: Date.now,
    random: Math.random,
    env: SECRETS,
    // What is decided is judged here, not how soon.
    config: { watchCatalog: false, appendBoundMs: 30_000, deadlineMs: 1_000 },
  });
  await serving.ready;
  const controls = followControls({ log: deps.log, onUnreadable: () => {} });
  await controls.caughtUp;
  const customers = Array.from({ length: CUSTOMERS }, (_, i) => ({
    id: `storm-${i}`,
    kind: KINDS[i % KINDS.length]!,
    address: `+49151${i}`,
  }));
  const zones = new Map(customers.map(({ address, kind }) => [address, ZONES[kind]]));
  const statuses: Record<string, number> = {};
  const inFlight = new Set<Promise<unknown>>();
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  let made = 0;

  const post = (url: string, payload: object): void => {
    const asked = serving.app.inject({ method: 'POST', url, payload }).then(({ statusCode }) => {
      const name = `${url.split('/').at(-1)} ${statusCode}`;
      statuses[name] = (statuses[name] ?? 0) + 1;
    });
    note(asked);
  };
  const note = (asked: Promise<unknown>): void => {
    inFlight.add(asked);
    void asked.finally(() => inFlight.delete(asked));
  };
  const event = (subject: string, type: string, data: object): object => ({
    specversion: '1.0',
    id: `storm-${made++}`,
    source: '/storm',
    type,
    subject,
    data,
  });
  const introduce = (): void =>
    post(
      '/v1/events',
      customers.map(({ id, kind, address }) =>
        event(id, 'customer.updated', { phone: address, email: `${address}@example.org`, timeZone: ZONES[kind], region: 'storm' }),
      ),
    );
  /** All at once for one customer. */
  const burst = (id: string, turn: number): void => {
    for (const channel of ['sms', 'email'])
      post('/v1/decisions', { customerId: id, channel, direction: 'outbound', scope: { groups: ['storm'] }, requestId: `storm-${made++}` });
    const purpose = turn % 2 === 0 ? [] : [{ name: 'purpose', value: 'other' }];
    post(MESSAGES, {
      content: 'Hello',
      messageType: turn % 3 === 0 ? 'email' : 'sms',
      receiver: [{ id }],
      sender: {},
      characteristic: purpose,
    });
    post('/v1/events', [
      event(id, 'promotion.announced', { campaign: 'storm' }),
      event(id, 'payment.failed', { amount: 1 }),
      event(id, 'queue.joined', { position: 9 }),
      event(id, 'promotion.announced', { campaign: 'again' }),
    ]);
  };
  const orderSegment = (): void => {
    const order = { segmentId: STORM_SEGMENT, order: 'run' as const, by: 'test', reason: 'A storm.', at: Date.now() };
    note(controls.change((current) => ({ ...current, actor: 'test', reason: order.reason, at: order.at, segmentOrders: [order] })));
  };
  const run = async (): Promise<void> => {
    introduce();
    for (let turn = 0; !stopping.signal.aborted; turn++, await delay(TICK_MS)) {
      burst(customers[turn % CUSTOMERS]!.id, turn);
      if (turn % TURNS_OF_AN_ORDER === TURNS_OF_AN_ORDER - 1) orderSegment();
    }
    await Promise.all(inFlight);
  };

  return {
    catalogDir,
    rules,
    env: { ...SECRETS, ATTUNE_CATALOG: catalogDir },
    customers: customers.map(({ id }) => id),
    inDaylight: customers.filter(({ kind }) => kind === 'day').map(({ address }) => address),
    rage: () => void (running = run()),
    async calm() {
      stopping.abort();
      await running;
      return statuses;
    },
    received: (dataDirs) => [...receiver.got, ...dataDirs.flatMap(readMails)].toSorted((a, b) => a.atMs - b.atMs),
    zoneOf: (address) => zones.get(address)!,
    async close() {
      stopping.abort();
      await running;
      await controls.stop();
      await serving.close();
      await receiver.stop();
    },
  };
};

const SECRETS = { [STORM_SECRET_ENV]: `whsec_${Buffer.from('a secret of the storm').toString('base64')}` };

const startReceiver = async (): Promise<{ readonly url: string; readonly got: readonly Receipt[]; stop(): Promise<void> }> => {
  const got: Receipt[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const { data } = JSON.parse(body) as { readonly data: Omit<Receipt, 'atMs'> };
      got.push({ ...data, atMs: Date.now() });
      response.end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    got,
    async stop() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};

/** The last line of a process that was killed may be half a line. */
const readMails = (dataDir: string): Receipt[] => {
  const file = join(dataDir, 'sent/email.jsonl');
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const { at, address, ...rest } = JSON.parse(line) as Omit<Receipt, 'atMs'> & { readonly at: string };
    return { ...rest, address: address.replace('@example.org', ''), atMs: Date.parse(at) };
  });
};
