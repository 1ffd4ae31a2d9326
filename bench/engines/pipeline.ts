/**
 * Events a second from Kafka into Redis by the state role, against a floor: a kafkajs consumer of the same records that sends one pipelined GET
 * and SET for each customer of a batch, values of the same size. Both are processes of their own and take turns on records that are new to both.
 * `flat`: events/s with the large population over those with the small one, with the same number of customers active.
 *
 * Options: --small 10000 --large 1000000 --active 10000 --events 150000 --rounds 3 --prof dir. Last line JSON.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { TOPICS, customerKeyToBytes, eventCodec, partitionOf, shardOf, MINUTE_MS } from '#contracts';
import { openKafkaLog, type EventLog } from '#event-log';
import { compileFeatures, openRedisFeatureStore } from '#feature-store';
import { loadProject } from '#project';
import { ENGINE_FLAGS } from '../../cli/engine-flags.ts';
import { startKafka } from '../../test/engines/kafka.ts';
import { startRedis } from '../../test/engines/redis.ts';
import { NOW, customerBytes, eventOf, keyOf, random } from '../pipeline/traffic.ts';
import { prepareLog } from './prepare-log.ts';
import { measureRedisMemory, type CustomerKind } from './redis-memory.ts';
import type { ConsumerAnswer, ConsumerStart, Round } from './round.ts';

const PARTITIONS = 8;
/** States are made for as many customers; the others have the same bytes under keys of their own. */
const TEMPLATES = 2_000;

export const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      engines: { type: 'boolean' },
      small: { type: 'string', default: '10000' },
      large: { type: 'string', default: '1000000' },
      active: { type: 'string', default: '10000' },
      events: { type: 'string', default: '150000' },
      rounds: { type: 'string', default: '3' },
      prof: { type: 'string' },
    },
  });
  const [small, large, active, events, rounds] = [values.small, values.large, values.active, values.events, values.rounds].map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const first = await measure({ customers: small, active, events, rounds, prof: values.prof });
  const second = await measure({ customers: large, active, events, rounds, prof: values.prof });
  const spread = await measure({ customers: large, active: large, events, rounds, prof: values.prof });
  const memory = await measureMemory();
  console.log(
    JSON.stringify({
      bench: 'pipeline-engines',
      ratio: Math.min(first.ratio, second.ratio, spread.ratio),
      bytesPerCustomer: memory.features,
      fullBytesPerCustomer: memory.full,
      flat: Number((second.eventsPerSecond / first.eventsPerSecond).toFixed(3)),
      small: first,
      large: second,
      largeAllActive: spread,
    }),
  );
};

const MEMORY_CUSTOMERS = 50_000;

/** With the ids seen of a day; `full`: also with contacts, open decisions, links and timer. */
const measureMemory = async (): Promise<Record<CustomerKind, number>> => {
  const redis = await startRedis();
  try {
    const of = async (kind: CustomerKind): Promise<number> =>
      (await measureRedisMemory({ url: redis.url, customers: MEMORY_CUSTOMERS, kind })).bytesPerCustomer;
    return { features: await of('features'), full: await of('full') };
  } finally {
    await redis.stop();
  }
};

const measure = async (of: { customers: number; active: number; events: number; rounds: number; prof: string | undefined }) => {
  const kafka = await startKafka({ heapMb: 768 });
  const redis = await startRedis();
  const children: ChildProcess[] = [];
  try {
    await prepareLog(kafka.brokers, PARTITIONS);
    const log = await openKafkaLog({ connection: { brokers: kafka.brokers } });
    const { bytesPerCustomer, valueBytes } = await seed(redis.url, log, of.customers);
    const start: ConsumerStart = { brokers: kafka.brokers, redisUrl: redis.url, partitions: PARTITIONS, valueBytes };
    const state = await startConsumer(children, 'state-consumer.ts', start, of.prof);
    const floor = await startConsumer(children, 'floor-consumer.ts', start);
    const perSecond: { state: number[]; floor: number[] } = { state: [], floor: [] };
    const draw = random(7);
    const targets = Array.from({ length: PARTITIONS }, (): number[] => []);
    let made = 0;
    let answer: ConsumerAnswer = { ms: 0, writes: 0, cpuMs: 0 };
    for (let round = 0; round <= of.rounds; round++) {
      made += await produce(log, { ...of, made, draw, targets });
      const task: Round = { events: of.events, targets: targets.map((each) => Uint32Array.from(each)) };
      const turns = round % 2 === 0 ? ([state, floor] as const) : ([floor, state] as const);
      for (const child of turns) {
        child.send(task);
        const [got] = (await once(child, 'message')) as [ConsumerAnswer];
        if (child === state) answer = got;
        const rate = Math.round((of.events / got.ms) * 1_000);
        console.log(
          `${of.customers} customers, ${of.active} active, ${round === 0 ? 'warm-up' : `round ${round}`}: ${child === state ? 'state' : 'floor'} ${rate}/s, ${((got.cpuMs * 1_000) / of.events).toFixed(1)} us of processor an event, ${got.writes} customers written`,
        );
        // A first round warms compilers and caches.
        if (round > 0) perSecond[child === state ? 'state' : 'floor'].push(rate);
      }
    }
    await log.close();
    const ratios = perSecond.state.map((rate, i) => rate / perSecond.floor[i]!);
    return {
      customers: of.customers,
      active: of.active,
      eventsPerSecond: median(perSecond.state),
      floorPerSecond: median(perSecond.floor),
      ratio: Number(median(ratios).toFixed(3)),
      bytesPerCustomer,
      writesPerEvent: Number((answer.writes / of.events).toFixed(2)),
    };
  } finally {
    for (const child of children) child.disconnect();
    await Promise.all(children.filter((child) => child.exitCode === null).map((child) => once(child, 'exit')));
    await redis.stop();
    await kafka.stop();
  }
};

const startConsumer = async (children: ChildProcess[], file: string, start: ConsumerStart, prof?: string): Promise<ChildProcess> => {
  const child = fork(join(import.meta.dirname, file), {
    execArgv: [...ENGINE_FLAGS, ...(prof === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${prof}`])],
    serialization: 'advanced',
  });
  children.push(child);
  child.send(start);
  await once(child, 'message');
  return child;
};

/** States with the features of the telco catalog, through the store; the floor's copies, beside. Bytes: what Redis says that it uses, all keys counted. */
const seed = async (url: string, log: EventLog, customers: number): Promise<{ bytesPerCustomer: number; valueBytes: number }> => {
  const store = await openRedisFeatureStore({ url, partitions: log.partitions });
  const client = new Redis(url);
  const usedBytes = async (): Promise<number> => Number(/used_memory:(\d+)/.exec(await client.info('memory'))![1]);
  const featureSet = compileFeatures(loadProject(new URL('../../catalog/telco', import.meta.url).pathname));
  const templates = Array.from({ length: Math.min(TEMPLATES, customers) }, (_, i) =>
    customerBytes(i, keyOf({ kind: 'customer', id: `c-${i}` }), featureSet, [], log.epoch, 0, { contacts: 0, pending: 0 }),
  );
  const before = await usedBytes();
  for (let from = 0; from < customers; from += 1_000) {
    const commits = Array.from({ length: Math.min(1_000, customers - from) }, (_, i) => {
      const id = `c-${from + i}`;
      const { value } = templates[(from + i) % templates.length]!;
      const key = customerKeyToBytes(keyOf({ kind: 'customer', id }));
      return { key, shard: shardOf(id), value, expected: null, companions: [], timer: { from: null, to: null } };
    });
    await store.states.commit(commits);
  }
  const bytesPerCustomer = Math.round(((await usedBytes()) - before) / customers);
  const valueBytes = Math.round(templates.reduce((sum, { value }) => sum + value.length, 0) / templates.length);
  const floorValue = Buffer.alloc(valueBytes, 1);
  for (let from = 0; from < customers; from += 1_000) {
    const pipeline = client.pipeline();
    for (let i = from; i < Math.min(customers, from + 1_000); i++) pipeline.set(`floor:${i}`, floorValue);
    await pipeline.exec();
  }
  await client.quit();
  await store.close();
  return { bytesPerCustomer, valueBytes };
};

const produce = async (
  log: EventLog,
  of: { customers: number; active: number; events: number; made: number; draw: () => number; targets: number[][] },
): Promise<number> => {
  const stride = Math.floor(of.customers / of.active);
  for (let from = 0; from < of.events; from += 5_000) {
    await log.append(
      Array.from({ length: Math.min(5_000, of.events - from) }, (_, i) => {
        const customer = Math.floor(of.draw() * of.active) * stride;
        const id = `c-${customer}`;
        const shard = shardOf(id);
        of.targets[partitionOf(shard, PARTITIONS)]!.push(customer);
        const { type, data } = eventOf(of.draw);
        const number = of.made + from + i;
        const time = NOW - 10 * MINUTE_MS + number;
        const event = {
          id: `e-${number}`,
          source: 'bench',
          type,
          subjectKind: 'customer',
          subjectId: id,
          customerKey: customerKeyToBytes(keyOf({ kind: 'customer', id })),
          time,
          receivedAt: time,
          data: JSON.stringify(data),
        };
        return { topic: TOPICS.events, shard, value: eventCodec.encode(event) };
      }),
    );
  }
  return of.events;
};

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
