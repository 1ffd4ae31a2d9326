/** The system on its production engines, each behind a proxy, and its roles as processes that are started again when they die. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { embeddedEnv } from '../embedded-env.ts';
import { startKafka, type KafkaCluster } from '../engines/kafka.ts';
import { startRedis, type RedisUnderTest } from '../engines/redis.ts';
import { startTcpProxy, type TcpProxy } from '../engines/tcp-proxy.ts';
import { freePort } from '../free-port.ts';
import { untilReady } from '../system.ts';

const ENTRY = fileURLToPath(new URL('../../cli/attune.mjs', import.meta.url));
const RESTART_MS = 500;

/** A process of a role: started again, as an orchestrator would, until it is stopped. */
export interface Kept {
  readonly pid: number | undefined;
  kill(): void;
  stop(): Promise<void>;
}

export interface DistributedSystem {
  readonly url: string;
  readonly warehouse: { readonly url: string; readonly readerPassword: string };
  readonly kafka: KafkaCluster;
  readonly kafkaProxies: readonly TcpProxy[];
  readonly redis: RedisUnderTest;
  readonly redisProxy: TcpProxy;
  readonly pipelines: readonly Kept[];
  readonly api: Kept;
  readonly warehouseProcess: Kept;
  /** The API's workers at this moment. */
  workerPids(): readonly number[];
  /** One more pipeline, which nobody starts again. */
  startPassingPipeline(name: string): ChildProcess;
  /** Last lines of all output, for a report of failure. */
  readonly tail: readonly string[];
  stop(): Promise<void>;
}

export const startDistributedSystem = async (options: {
  readonly dir: string;
  readonly pipelines: number;
  readonly workers: number;
}): Promise<DistributedSystem> => {
  const { dir } = options;
  const tail: string[] = [];
  const brokers = [0, 1, 2];
  const [port, warehousePort, ...brokerPorts] = (await Promise.all([0, 0, ...brokers].map(() => freePort()))) as [
    number,
    number,
    ...number[],
  ];
  const kafkaProxies = await Promise.all(brokerPorts.map((target) => startTcpProxy({ target })));
  const kafka = await startKafka({ brokers: 3, ports: brokerPorts, advertised: kafkaProxies.map((proxy) => proxy.port) });
  const redis = await startRedis();
  const redisProxy = await startTcpProxy({ target: redis.ports[0]! });

  const readerPassword = 'faults-reader-password';
  const writerPassword = 'faults-writer-password';
  const warehouseUrl = `http://127.0.0.1:${warehousePort}`;
  const common: NodeJS.ProcessEnv = {
    ...embeddedEnv(),
    ATTUNE_ID_KEY: 'the-id-key-of-the-fault-tests',
    KAFKA_BROKERS: kafka.brokers.join(','),
    REDIS_URL: `redis://127.0.0.1:${redisProxy.port}`,
    CLICKHOUSE_URL: warehouseUrl,
    CLICKHOUSE_USER: 'pipeline',
    CLICKHOUSE_PASSWORD: writerPassword,
  };
  const dataDirOf = (name: string): string => {
    mkdirSync(join(dir, name), { recursive: true });
    return join(dir, name);
  };
  const run = (name: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess => {
    const child = spawn(process.execPath, [ENTRY, ...args], {
      env: { ...env, ATTUNE_DATA_DIR: dataDirOf(name) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const onExit = (): boolean => child.kill('SIGKILL');
    process.once('exit', onExit);
    child.once('exit', () => process.removeListener('exit', onExit));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        tail.push(`${name}: ${line}`);
        if (tail.length > 400) tail.shift();
      });
    }
    return child;
  };
  const keep = (name: string, args: readonly string[], env: NodeJS.ProcessEnv): Kept => {
    let stopping = false;
    let child = run(name, args, env);
    const again = (): void => {
      child.once('exit', () => {
        if (stopping) return;
        setTimeout(() => {
          if (stopping) return;
          child = run(name, args, env);
          again();
        }, RESTART_MS);
      });
    };
    again();
    return {
      get pid() {
        return child.exitCode === null && child.signalCode === null ? child.pid : undefined;
      },
      kill: () => void child.kill('SIGKILL'),
      async stop() {
        stopping = true;
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        const forced = setTimeout(() => child.kill('SIGKILL'), 30_000);
        await gone;
        clearTimeout(forced);
      },
    };
  };

  const doctor = run('doctor', ['doctor', '--fix'], { ...common, ATTUNE_PARTITIONS: '6' });
  await once(doctor, 'exit');

  const warehouseProcess = keep('warehouse', ['warehouse'], {
    ...embeddedEnv(),
    ATTUNE_WAREHOUSE_PORT: String(warehousePort),
    ATTUNE_WAREHOUSE_PASSWORD: writerPassword,
    ATTUNE_WAREHOUSE_READER_PASSWORD: readerPassword,
  });
  const pipelines = Array.from({ length: options.pipelines }, (_, i) => keep(`pipeline-${i}`, ['pipeline'], common));
  const api = keep('api', ['serve', '--workers', String(options.workers)], { ...common, ATTUNE_PORT: String(port) });
  const url = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    await api.stop();
    await Promise.all(pipelines.map((pipeline) => pipeline.stop()));
    await warehouseProcess.stop();
    await Promise.all([redis.stop(), kafka.stop()]);
    await Promise.all([redisProxy, ...kafkaProxies].map((proxy) => proxy.stop()));
  };
  try {
    await untilReady(url);
  } catch (error) {
    await stop();
    throw new Error(`the system did not start:\n${tail.slice(-40).join('\n')}`, { cause: error });
  }
  return {
    url,
    warehouse: { url: warehouseUrl, readerPassword },
    kafka,
    kafkaProxies,
    redis,
    redisProxy,
    pipelines,
    api,
    warehouseProcess,
    workerPids: () => (api.pid === undefined ? [] : childrenOf(api.pid)),
    startPassingPipeline: (name) => run(name, ['pipeline'], common),
    tail,
    stop,
  };
};

/** attune.mjs runs the pinned Node as its child where the machine's own is older; the workers are the last generation. */
const childrenOf = (pid: number): readonly number[] => {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  let generation = [pid];
  for (;;) {
    const next = rows.flatMap(([child, parent]) => (generation.includes(parent!) ? [child!] : []));
    if (next.length === 0) return generation[0] === pid ? [] : generation;
    generation = next;
  }
};

/** Resolves with the milliseconds until `done` says so; Infinity after `boundMs`. */
export const timeUntil = async (done: () => Promise<boolean>, boundMs: number): Promise<number> => {
  const begun = performance.now();
  for (;;) {
    if (await done().catch(() => false)) return performance.now() - begun;
    if (performance.now() - begun > boundMs) return Infinity;
    await delay(50);
  }
};
