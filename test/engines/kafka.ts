/** Apache Kafka in KRaft mode on loopback, one broker or several, from the jars that `npm run engines:install` copies. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../free-port.ts';
import { startChild, type Child } from './child.ts';

const LIB = fileURLToPath(new URL('lib', import.meta.url));
/** The broker's classes as the JVM keeps them: with it a broker takes half the time to start. Java ignores one of other jars. */
export const CLASSES = join(LIB, 'kafka.jsa');
/** Writing the archive, at the broker's end. */
const ARCHIVING_MS = 120_000;

export interface KafkaCluster {
  /** host:port of each broker; they stay the same over restarts. */
  readonly brokers: readonly string[];
  /** kill -9 of one broker. */
  kill(index: number): Promise<void>;
  start(index: number): Promise<void>;
  pause(index: number): void;
  resume(index: number): void;
  /** Ends the brokers and deletes their files. */
  stop(): Promise<void>;
}

/** Null: it can be started here; else what is missing. */
export const kafkaIsMissing = async (): Promise<string | null> => {
  const java = await promisify(execFile)('java', ['-version']).catch(() => null);
  const major = Number(/version "(\d+)/.exec(java?.stderr ?? '')?.[1] ?? 0);
  if (major < 17) return 'Java 17 (Debian: apt-get install openjdk-17-jre-headless)';
  if (!existsSync(LIB) || !readdirSync(LIB).some((name) => name.startsWith('kafka_')))
    return 'its jars (npm run engines:install, needs mvn)';
  return null;
};

export interface KafkaOptions {
  /** Default 1. */
  readonly brokers?: number;
  /** Where the brokers listen; free ports when absent. */
  readonly ports?: readonly number[];
  /** What clients are told to connect to, in place of a broker's own port: a proxy in between. By broker. */
  readonly advertised?: readonly number[];
  /** More lines of server.properties. */
  readonly properties?: readonly string[];
  /** One more listener of a single broker, with TLS and SASL; `properties` say how. */
  readonly secure?: { readonly port: number; readonly properties: readonly string[]; readonly scramUsers: readonly string[] };
  /** Of each broker's heap. Default 384. */
  readonly heapMb?: number;
  /** Where a single broker writes the archive of its classes at its end. */
  readonly archiveTo?: string;
}

export const startKafka = async (options: KafkaOptions = {}): Promise<KafkaCluster> => {
  const { brokers: count = 1, heapMb = 384, archiveTo } = options;
  const dir = mkdtempSync(join(tmpdir(), 'attune-kafka-'));
  const ports = await Promise.all(Array.from({ length: count * 2 }, () => freePort()));
  const port = (index: number): number => options.ports?.[index] ?? ports[index]!;
  const voters = Array.from({ length: count }, (_, i) => `${i + 1}@127.0.0.1:${ports[count + i]}`).join(',');
  // An id that began with a hyphen would be taken for an option.
  const clusterId = `A${randomBytes(16).toString('base64url').slice(1)}`;
  const children: (Child | null)[] = Array.from({ length: count }, () => null);
  writeFileSync(join(dir, 'log4j2.yaml'), LOG4J);

  const java = (args: readonly string[]): readonly string[] => [
    `-Xmx${heapMb}m`,
    '-Xms64m',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    ...(archiveTo === undefined && existsSync(CLASSES) ? [`-XX:SharedArchiveFile=${CLASSES}`] : []),
    `-Dlog4j2.configurationFile=${join(dir, 'log4j2.yaml')}`,
    '-cp',
    `${LIB}/*`,
    ...args,
  ];
  const propertiesOf = (index: number): string => join(dir, `broker-${index}.properties`);

  const secureListener = options.secure === undefined ? '' : `,SECURE://127.0.0.1:${options.secure.port}`;
  const scram = (options.secure?.scramUsers ?? []).flatMap((user) => ['--add-scram', user]);

  const prepare = async (index: number): Promise<void> => {
    const replicas = Math.min(3, count);
    writeFileSync(
      propertiesOf(index),
      [
        'process.roles=broker,controller',
        `node.id=${index + 1}`,
        `controller.quorum.voters=${voters}`,
        `listeners=PLAINTEXT://127.0.0.1:${port(index)},CONTROLLER://127.0.0.1:${ports[count + index]}${secureListener}`,
        `advertised.listeners=PLAINTEXT://127.0.0.1:${options.advertised?.[index] ?? port(index)}${secureListener}`,
        'controller.listener.names=CONTROLLER',
        'inter.broker.listener.name=PLAINTEXT',
        'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL',
        `log.dirs=${join(dir, `data-${index}`)}`,
        `offsets.topic.replication.factor=${replicas}`,
        'offsets.topic.num.partitions=4',
        `transaction.state.log.replication.factor=${replicas}`,
        `transaction.state.log.min.isr=${Math.max(1, replicas - 1)}`,
        'group.initial.rebalance.delay.ms=0',
        'group.min.session.timeout.ms=1000',
        'auto.create.topics.enable=false',
        'delete.topic.enable=true',
        'log.segment.delete.delay.ms=1000',
        'broker.session.timeout.ms=4000',
        'broker.heartbeat.interval.ms=500',
        'controlled.shutdown.enable=false',
        ...(options.properties ?? []),
        ...(options.secure?.properties ?? []),
      ].join('\n'),
    );
    mkdirSync(join(dir, `data-${index}`), { recursive: true });
    await promisify(execFile)('java', java(['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', propertiesOf(index), ...scram]));
  };
  const start = async (index: number): Promise<void> => {
    const archiving = archiveTo === undefined ? [] : [`-XX:ArchiveClassesAtExit=${archiveTo}`];
    const args = [...archiving, ...java(['kafka.Kafka', propertiesOf(index)])];
    children[index] = await startChild({ command: 'java', args, cwd: dir, port: port(index) });
  };
  const indices = Array.from({ length: count }, (_, i) => i);
  try {
    await Promise.all(indices.map(prepare));
    await Promise.all(indices.map(start));
  } catch (error) {
    await Promise.all(children.flatMap((child) => (child === null ? [] : [child.kill()])));
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
  return {
    brokers: indices.map((index) => `127.0.0.1:${options.advertised?.[index] ?? port(index)}`),
    async kill(index) {
      await children[index]?.kill();
    },
    start,
    pause: (index) => children[index]?.pause(),
    resume: (index) => children[index]?.resume(),
    async stop() {
      if (archiveTo !== undefined) await children[0]?.stop(ARCHIVING_MS);
      // Their files go with them: nothing else needs a clean end.
      await Promise.all(children.flatMap((child) => (child === null ? [] : [child.kill()])));
      rmSync(dir, { recursive: true, force: true });
    },
  };
};

const LOG4J = `Configuration:
  status: error
  Appenders:
    Console: { name: out, target: SYSTEM_ERR, PatternLayout: { pattern: "%d %p %c %m%n" } }
  Loggers:
    Root: { level: warn, AppenderRef: [{ ref: out }] }
`;
