/**
 * Decisions a second over HTTP against the floor, and the cost at half load. Servers and load generator are processes of their own; the two
 * servers take turns in one run. Prints one JSON line last: {"bench":"serving","ratio","p50Ms","p99Ms","p99OverFloorMs"}.
 *
 * `--engines`: Kafka behind the outbox and Redis, against Fastify with one ioredis GET of the same bytes; then Redis stops.
 * Options: --rounds 4 --seconds 3 --connections 64 --customers 2000 --prof dir
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compileCatalog } from '#decisioning';
import { loadProject } from '#project';
import { startKafka } from '../test/engines/kafka.ts';
import { startRedis } from '../test/engines/redis.ts';
import { prepareLog } from './engines/prepare-log.ts';
import { ENGINE_FLAGS } from '../cli/engine-flags.ts';
import type { LoadResult, LoadTask } from './serving/load.ts';
import { PARTITIONS } from './serving/open-engines.ts';
import { decideWithoutRedis } from './serving/without-redis.ts';
import { seedStores } from './serving/seed-stores.ts';
import type { ServerStart } from './serving/server-start.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '64' },
    customers: { type: 'string', default: '2000' },
    prof: { type: 'string' },
    engines: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const durationMs = Number(values.seconds) * 1_000;
const connections = Number(values.connections);
/** Both servers are measured once the engine has compiled their code. */
const WARM_ANSWERS = 12_000;
/** Of each measurement, for both sides, not counted. */
const SETTLE_MS = 1_000;
const SECRET = 'bench-secret-bench-secret';

const main = async (): Promise<void> => {
  const dir = await mkdtemp(join(tmpdir(), 'attune-bench-'));
  const children: ChildProcess[] = [];
  const engines = values.engines ? { kafka: await startKafka({ heapMb: 768 }), redis: await startRedis() } : null;
  try {
    const start: ServerStart = {
      logDir: join(dir, 'log'),
      storeDir: join(dir, 'store'),
      catalogDir: join(import.meta.dirname, '../catalog/telco'),
      idKey: 'bench-id-key-bench-id-key',
      apiKeys: `bench:decide:${SECRET}`,
      answer: null,
      engines: engines === null ? null : { brokers: engines.kafka.brokers, redisUrl: engines.redis.url, outboxDir: join(dir, 'outbox') },
    };
    if (engines !== null) await prepareLog(engines.kafka.brokers, PARTITIONS);
    await seedStores(start, Number(values.customers));
    const servers = {} as Record<Side, Server>;
    servers.attune = await startServer(children, 'attune-server.ts', start, values.prof);
    const answer = await ask(servers.attune.port);
    console.log(
      `an answer has ${answer.length} bytes, ${(JSON.parse(answer) as { actions: unknown[] }).actions.length} actions, degraded: ${JSON.stringify((JSON.parse(answer) as { degraded: unknown }).degraded)}`,
    );
    servers.floor = await startServer(children, 'floor-server.ts', { ...start, answer }, undefined);
    const load = createLoad(children, Number(values.customers));

    const measure = async (label: string, side: Side, ratePerSecond: number | null, ms = durationMs): Promise<Measured> => {
      const before = await cpuOf(servers[side]);
      const result = await load({ port: servers[side].port, durationMs: ms, settleMs: SETTLE_MS, ratePerSecond });
      const measured = { ...result, cpuUs: ((await cpuOf(servers[side])) - before) / Math.max(1, result.sent) };
      show(`${label} ${side}`, measured);
      return measured;
    };
    for (const side of ['attune', 'floor'] as const) {
      for (let answered = 0, turn = 0; answered < WARM_ANSWERS && turn < 5; turn++)
        answered += (await measure('warm-up', side, null, 2_000)).answered;
    }
    const saturated: Record<Side, Measured[]> = { attune: [], floor: [] };
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? (['attune', 'floor'] as const) : (['floor', 'attune'] as const);
      for (const side of order) saturated[side].push(await measure(`round ${round + 1}`, side, null));
    }
    const ours = median(saturated.attune.map((result) => result.perSecond));
    const theirs = median(saturated.floor.map((result) => result.perSecond));
    const rate = Math.floor(ours / 2);
    const half: Record<Side, Measured[]> = { attune: [], floor: [] };
    for (let round = 0; round < rounds; round++) {
      for (const side of ['attune', 'floor'] as const) half[side].push(await measure(`half load (${rate}/s)`, side, rate));
    }
    const stopped =
      engines === null
        ? null
        : await decideWithoutRedis({
            ...engines,
            port: servers.attune.port,
            bodies: Array.from({ length: 200 }, (_, i) => bodyOf(i)),
            secret: SECRET,
            defaults: defaultsOf(start.catalogDir),
          });
    const p99 = (results: readonly LoadResult[]): number => median(results.map((result) => result.p99Ms));
    const cpu = (side: Side): string => median(saturated[side].map(({ cpuUs }) => cpuUs)).toFixed(0);
    console.log(`processor time a request, all threads: attune ${cpu('attune')} us, floor ${cpu('floor')} us`);
    console.log(
      `attune ${ours.toFixed(0)}/s, floor ${theirs.toFixed(0)}/s, ${connections} connections; targets: ratio >= 0.5, p99OverFloorMs <= 10`,
    );
    console.log(
      JSON.stringify({
        bench: engines === null ? 'serving' : 'serving-engines',
        ratio: round(ours / theirs),
        p50Ms: round(median(half.attune.map((result) => result.p50Ms))),
        p99Ms: round(p99(half.attune)),
        p99OverFloorMs: round(p99(half.attune) - p99(half.floor)),
        ...(stopped === null ? {} : { redisStopped: stopped }),
      }),
    );
  } finally {
    for (const child of children) child.disconnect();
    await Promise.all(children.filter((child) => child.exitCode === null).map((child) => once(child, 'exit')));
    await engines?.redis.stop();
    await engines?.kafka.stop();
    await rm(dir, { recursive: true, force: true });
  }
};

type Side = 'attune' | 'floor';
type Measured = LoadResult & { readonly cpuUs: number };

interface Server {
  readonly port: number;
  readonly child: ChildProcess;
}

/** Microseconds that the server's process has used so far. */
const cpuOf = async ({ child }: Server): Promise<number> => {
  child.send('cpu');
  const [usage] = (await once(child, 'message')) as [NodeJS.CpuUsage];
  return usage.user + usage.system;
};

const startServer = async (children: ChildProcess[], file: string, start: ServerStart, prof: string | undefined): Promise<Server> => {
  const execArgv = [...ENGINE_FLAGS, ...(prof === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${prof}`])];
  const child = fork(join(import.meta.dirname, 'serving', file), { execArgv, serialization: 'advanced' });
  children.push(child);
  child.send(start);
  const [message] = (await once(child, 'message')) as [{ port: number }];
  return { port: message.port, child };
};

const createLoad = (children: ChildProcess[], customers: number) => {
  const child = fork(join(import.meta.dirname, 'serving/load.ts'), { serialization: 'advanced' });
  children.push(child);
  const requests = Array.from({ length: customers }, (_, index) => httpRequest(index));
  return async (task: Omit<LoadTask, 'connections' | 'requests'>): Promise<LoadResult> => {
    child.send({ ...task, connections, requests } satisfies LoadTask);
    const [result] = (await once(child, 'message')) as [LoadResult];
    return result;
  };
};

const bodyOf = (index: number): string =>
  JSON.stringify({
    customerId: `c-${index}`,
    channel: 'app',
    direction: 'inbound',
    placement: 'home-hero',
    limit: 3,
    context: { page: 'bill', device: 'ios' },
  });

const httpRequest = (index: number): string => {
  const body = bodyOf(index);
  return `POST /v1/decisions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${SECRET}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
};

const ask = async (port: number): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${port}/v1/decisions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/json' },
    body: bodyOf(1),
  });
  const text = await response.text();
  if (response.status !== 201) throw new Error(`the first decision was answered ${response.status}: ${text}`);
  return text;
};

const show = (label: string, result: Measured): void => {
  const { perSecond, p50Ms, p99Ms, refused, generatorBusy, cpuUs } = result;
  console.log(
    `${label.padEnd(28)} ${perSecond.toFixed(0).padStart(6)}/s  p50 ${p50Ms.toFixed(2)} ms  p99 ${p99Ms.toFixed(2)} ms  refused ${refused}  cpu ${cpuUs.toFixed(0)} us  generator ${(generatorBusy * 100).toFixed(0)} % of a core`,
  );
};

const defaultsOf = (catalogDir: string): ReadonlySet<string> =>
  new Set(compileCatalog(loadProject(catalogDir)).actions.flatMap(({ id, isDefault }) => (isDefault ? [id] : [])));

const median = (numbers: readonly number[]): number => {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

const round = (x: number): number => Math.round(x * 1_000) / 1_000;

await main();
