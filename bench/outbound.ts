/**
 * Outbound messages through a real mail server and a real SMSC with the gate on, and what that costs those who ask for decisions meanwhile. A whole
 * system (`attune up`), peers and load generator as processes of their own; rounds of decisions alone and beside messages take turns.
 * `npm run bench:outbound [-- --engines]`; last line JSON: messagesPerSecond, aloneP99Ms, besideP99Ms, ratio, lost, doubled.
 *
 * `--engines`: the same on Kafka and Redis.
 * Options: --rounds 3 --seconds 8 --rate 120 (messages a second) --decisions 100 (a second) --prof dir
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startKafka } from '../test/engines/kafka.ts';
import { startRedis } from '../test/engines/redis.ts';
import { freePort } from '../test/free-port.ts';
import { createSend } from '../test/send.ts';
import { startSystem } from '../test/system.ts';
import { prepareLog } from './engines/prepare-log.ts';
import { CHANNELS, SECRETS, writeBenchCatalog } from './outbound/catalog.ts';
import type { BenchChannel } from './outbound/catalog.ts';
import type { PeerCount, PeerTask } from './outbound/peer.ts';
import type { LoadResult, LoadTask } from './serving/load.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '8' },
    rate: { type: 'string', default: '120' },
    decisions: { type: 'string', default: '100' },
    engines: { type: 'boolean', default: false },
    prof: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const durationMs = Number(values.seconds) * 1_000;
const rate = Number(values.rate);
const PARTITIONS = 8;
/** Of each measurement, not counted: messages have begun to leave by then. */
const SETTLE_MS = 2_000;
const WARM_MS = 4_000;
const EVERY_MS = 100;
const PER_MESSAGE_WAIT_MS = 30_000;
/** Half of the messages go to each channel, and each customer gets one of each at most. */
const CUSTOMERS = Math.ceil(((rounds * (durationMs + SETTLE_MS) + WARM_MS) * rate) / 1_000 / CHANNELS.length) + rate;

const main = async (): Promise<void> => {
  const dir = await mkdtemp(join(tmpdir(), 'attune-outbound-'));
  const children: ChildProcess[] = [];
  const engines = values.engines ? { kafka: await startKafka({ heapMb: 512 }), redis: await startRedis() } : null;
  let system: Awaited<ReturnType<typeof startSystem>> | null = null;
  try {
    const peers = { email: await startPeer(children, 'smtp'), sms: await startPeer(children, 'smpp') };
    const catalogDir = join(dir, 'catalog');
    writeBenchCatalog(catalogDir, { email: peers.email.port, sms: peers.sms.port }, Date.now());
    if (engines !== null) await prepareLog(engines.kafka.brokers, PARTITIONS);
    system = await startSystem({
      dataDir: join(dir, 'data'),
      port: await freePort(),
      warehousePort: await freePort(),
      env: {
        ...SECRETS,
        ATTUNE_CATALOG: catalogDir,
        ATTUNE_PARTITIONS: String(PARTITIONS),
        ATTUNE_LOG_LEVEL: 'warn',
        ...(values.prof === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${values.prof}` }),
        ...(engines === null ? {} : { KAFKA_BROKERS: engines.kafka.brokers.join(','), REDIS_URL: engines.redis.url }),
      },
    });
    const send = createSend(system.url);
    await introduce(send);
    const counts = async (): Promise<Record<BenchChannel, PeerCount>> => ({
      email: await peers.email.count(),
      sms: await peers.sms.count(),
    });
    const taken = async (): Promise<number> => Object.values(await counts()).reduce((sum, count) => sum + count.taken, 0);
    const load = createLoad(children, Number(new URL(system.url).port));

    let wanted = 0;
    const feed = (signal: AbortSignal): Promise<void> =>
      everyTick(signal, async (ticks) => {
        const perTick = Math.round((rate * EVERY_MS) / 1_000);
        const events = Array.from({ length: ticks * perTick }, () => wantMessage(wanted++));
        await send('POST', '/v1/events', events);
      });
    const arrived = async (): Promise<void> => {
      const deadlineMs = performance.now() + PER_MESSAGE_WAIT_MS;
      while ((await taken()) < wanted && performance.now() < deadlineMs) await delay(50);
    };

    // The first message loads the models, and code is compiled.
    const warming = feed(AbortSignal.timeout(WARM_MS));
    await load(WARM_MS);
    await warming;
    await arrived();
    const alone: LoadResult[] = [];
    const beside: LoadResult[] = [];
    const perSecond: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const quiet = await load(durationMs);
      alone.push(quiet);
      const stopping = new AbortController();
      const feeding = feed(stopping.signal);
      const measuring = load(durationMs);
      await delay(SETTLE_MS);
      const [before, fromMs] = [await taken(), performance.now()];
      beside.push(await measuring);
      perSecond.push((((await taken()) - before) * 1_000) / (performance.now() - fromMs));
      stopping.abort();
      await feeding;
      const behind = wanted - (await taken());
      await arrived();
      show(`round ${round + 1}: alone`, quiet);
      show('  beside messages', beside.at(-1)!, `, ${perSecond.at(-1)!.toFixed(0)} messages/s, ${behind} on their way at the end`);
    }
    const got = await counts();
    const p99 = (results: readonly LoadResult[]): number => median(results.map((result) => result.p99Ms));
    const addresses = got.email.addresses + got.sms.addresses;
    console.log(`${wanted} messages wanted; ${JSON.stringify(got)}; targets: messagesPerSecond >= 100, ratio <= 1.5, lost 0, doubled 0`);
    console.log(
      JSON.stringify({
        bench: engines === null ? 'outbound' : 'outbound-engines',
        messagesPerSecond: round1(median(perSecond)),
        aloneP99Ms: round1(p99(alone)),
        besideP99Ms: round1(p99(beside)),
        ratio: Math.round((p99(beside) / p99(alone)) * 100) / 100,
        aloneP50Ms: round1(median(alone.map((result) => result.p50Ms))),
        besideP50Ms: round1(median(beside.map((result) => result.p50Ms))),
        lost: wanted - addresses,
        doubled: got.email.taken + got.sms.taken - addresses,
      }),
    );
  } catch (error) {
    for (const line of system?.tail.slice(-30) ?? []) console.error(line);
    throw error;
  } finally {
    await system?.stop();
    for (const child of children) child.disconnect();
    await Promise.all(children.filter((child) => child.exitCode === null).map((child) => once(child, 'exit')));
    await engines?.redis.stop();
    await engines?.kafka.stop();
    await rm(dir, { recursive: true, force: true });
  }
};

const customerOf = (index: number): string => `outbound-${index}`;

const introduce = async (send: ReturnType<typeof createSend>): Promise<void> => {
  const BATCH = 500;
  for (let from = 0; from < CUSTOMERS; from += BATCH) {
    const events = Array.from({ length: Math.min(BATCH, CUSTOMERS - from) }, (_, i) => introduction(from + i));
    await send('POST', '/v1/events', events);
  }
  const last = customerOf(CUSTOMERS - 1);
  for (const endMs = Date.now() + 60_000; ; await delay(50)) {
    const { attributes } = await send<{ attributes?: object }>('GET', `/v1/customers/${last}`).catch(() => ({ attributes: undefined }));
    if (attributes !== undefined && Object.keys(attributes).length > 0) return;
    if (Date.now() > endMs) throw new Error('the customers did not become known within a minute');
  }
};

const introduction = (index: number): object => ({
  specversion: '1.0',
  id: `introduction-${index}`,
  source: '/bench/outbound',
  type: 'customer.updated',
  subject: customerOf(index),
  data: {
    plan: 'basic',
    segment: 'consumer',
    tenureMonths: index % 60,
    language: 'en',
    timeZone: 'UTC',
    consentMarketing: true,
    consentSms: true,
    consentEmail: true,
    name: `Customer ${index}`,
    email: `c${index}@example.org`,
    phone: `+4915${String(10_000_000 + index)}`,
  },
});

/** First all customers by e-mail and SMS in turn, each by one of them; then each by the other. */
const wantMessage = (number: number): object => {
  const lap = Math.floor(number / CUSTOMERS);
  return {
    specversion: '1.0',
    id: `promotion-${number}`,
    source: '/bench/outbound',
    type: 'promotion.announced',
    subject: customerOf(number % CUSTOMERS),
    data: { campaign: CHANNELS[(number + lap) % CHANNELS.length] },
  };
};

/** `work` gets how many ticks are due; what took longer is made up for. */
const everyTick = async (signal: AbortSignal, work: (ticks: number) => Promise<void>): Promise<void> => {
  const startedMs = performance.now();
  for (let done = 0; !signal.aborted; await delay(EVERY_MS / 2)) {
    const due = Math.floor((performance.now() - startedMs) / EVERY_MS);
    if (due > done) await work(due - done);
    done = due;
  }
};

interface Peer {
  readonly port: number;
  count(): Promise<PeerCount>;
}

const startPeer = async (children: ChildProcess[], kind: 'smtp' | 'smpp'): Promise<Peer> => {
  const child = fork(join(import.meta.dirname, 'outbound/peer.ts'));
  children.push(child);
  const ask = async <T>(task: PeerTask): Promise<T> => {
    child.send(task);
    const [answer] = (await once(child, 'message')) as [T];
    return answer;
  };
  const { port } = await ask<{ port: number }>({ kind });
  return { port, count: () => ask<PeerCount>({ kind: 'count' }) };
};

/** Steady decisions for the app, of customers in turn. */
const createLoad = (children: ChildProcess[], port: number) => {
  const child = fork(join(import.meta.dirname, 'serving/load.ts'), { serialization: 'advanced' });
  children.push(child);
  const requests = Array.from({ length: CUSTOMERS }, (_, index) => httpRequest(index));
  const task: LoadTask = { port, connections: 16, durationMs, settleMs: SETTLE_MS, ratePerSecond: Number(values.decisions), requests };
  return async (ms: number): Promise<LoadResult> => {
    child.send({ ...task, durationMs: ms } satisfies LoadTask);
    const [result] = (await once(child, 'message')) as [LoadResult];
    return result;
  };
};

const httpRequest = (index: number): string => {
  const body = JSON.stringify({ customerId: customerOf(index), channel: 'app', direction: 'inbound', placement: 'home-hero', limit: 3 });
  return `POST /v1/decisions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
};

const show = (label: string, { perSecond, p50Ms, p99Ms, refused }: LoadResult, more = ''): void =>
  console.log(
    `${label.padEnd(20)} ${perSecond.toFixed(0)} decisions/s, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, refused ${refused}${more}`,
  );

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
const round1 = (number: number): number => Math.round(number * 10) / 10;

await main();
