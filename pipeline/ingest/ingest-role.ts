/** The role that reads the operator's own topics, as sources.yaml says, and makes events of their records. */
import { AttuneError, TOPICS, customerKeyFromBytes, erasureCodec } from '#contracts';
import type { Clock, CustomerKey, CustomerKeyFunction, Erasure } from '#contracts';
import type { EventLog, Follower, LogRecord, RegistryClient, SourceConsumer, SourceLog, ValueDecoder } from '#event-log';
import type { EventTypes, Source } from '#project';
import type { Logger, Role } from '../role.ts';
import { decoderOf } from './decoder-of.ts';
import { ingestBatch } from './ingest-batch.ts';
import { createIngestMetrics } from './ingest-metrics.ts';
import type { IngestMetrics } from './ingest-metrics.ts';

/** The parts of a project that ingest needs. */
export interface IngestProject {
  readonly sources: readonly Source[];
  readonly eventTypes: EventTypes;
}

export interface IngestRoleDeps {
  readonly log: EventLog;
  readonly project: IngestProject;
  /** Opens the brokers of a source; null are those of Attune's own topics. Called once for each list. */
  readonly openSourceLog: (brokers: readonly string[] | null) => SourceLog;
  /** Null: none is configured. */
  readonly registry: RegistryClient | null;
  readonly customerKey: CustomerKeyFunction;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Upper bound of records in a batch. Default 1,000. */
  readonly maxRecords?: number;
}

export interface IngestRole extends Role {
  readonly counters: IngestMetrics;
  /** A reloaded project: sources come and go, and those that stay are mapped anew from their next batch on. */
  replaceProject(project: IngestProject): Promise<void>;
}

/** Of a source; renaming a source begins its topic anew, and its records count again. */
export const ingestGroup = (sourceName: string): string => `attune-ingest-${sourceName}`;

/** One source at work; `source` is the newest definition. */
interface Running {
  source: Source;
  decode: ValueDecoder;
  readonly consumer: SourceConsumer;
}

export const createIngestRole = (deps: IngestRoleDeps): IngestRole => {
  const { log, logger, clock, customerKey, registry, maxRecords = 1_000 } = deps;
  const metrics = createIngestMetrics();
  const erased = new Map<CustomerKey, number>();
  const running = new Map<string, Running>();
  const sourceLogs = new Map<string, SourceLog>();
  const lags = new Map<string, number>();
  let { project } = deps;
  let follower: Follower | undefined;
  let isStarted = false;

  const sourceLogOf = ({ brokers }: Source): SourceLog => {
    const name = brokers?.join() ?? '';
    let found = sourceLogs.get(name);
    if (found === undefined) sourceLogs.set(name, (found = deps.openSourceLog(brokers)));
    return found;
  };

  const startSource = (source: Source): void => {
    const { name, topic, from } = source;
    const decode = decoderOf(source, registry);
    const consumer = sourceLogOf(source).consume({
      group: ingestGroup(name),
      topic,
      from,
      maxRecords,
      async onBatch(batch) {
        const current = running.get(name);
        if (current === undefined) throw new AttuneError('ingest.stopped', `source ${name} is no longer read`, { retriable: true });
        const { eventTypes } = project;
        const { source: definition, decode: decodeNow } = current;
        const erasedAt = (key: CustomerKey): number | undefined => erased.get(key);
        await ingestBatch({ log, source: definition, decode: decodeNow, eventTypes, customerKey, erasedAt, clock, metrics }, batch);
        lags.set(`${name}/${batch.partition}`, batch.lag);
      },
      onError(error) {
        metrics.retries++;
        logger.warn({ err: error, source: name, topic }, 'a source is behind: its records come again');
      },
    });
    running.set(name, { source, decode, consumer });
    logger.info({ source: name, topic }, 'a source is read');
  };

  const stopSource = async (name: string): Promise<void> => {
    const stopping = running.get(name);
    running.delete(name);
    await stopping?.consumer.stop();
    for (const place of lags.keys()) if (place.startsWith(`${name}/`)) lags.delete(place);
  };

  const apply = async (): Promise<void> => {
    const wanted = new Map(project.sources.filter(({ enabled }) => enabled).map((source) => [source.name, source]));
    for (const [name, { source }] of running) if (!isSameTopic(source, wanted.get(name))) await stopSource(name);
    for (const source of wanted.values()) {
      const current = running.get(source.name);
      if (current === undefined) startSource(source);
      else Object.assign(current, { source, decode: decoderOf(source, registry) });
    }
  };

  return {
    name: 'ingest',
    counters: metrics,
    metrics: () => ({ ...metrics, sources: running.size, lag: [...lags.values()].reduce((sum, lag) => sum + lag, 0) }),
    async start() {
      if (isStarted) return;
      isStarted = true;
      follower = log.follow([TOPICS.erasures], (record) => {
        const erasure = readErasure(record);
        if (erasure === null) return;
        const key = customerKeyFromBytes(erasure.customerKey);
        erased.set(key, Math.max(erasure.erasedAt, erased.get(key) ?? 0));
      });
      await follower.caughtUp;
      await apply();
    },
    async replaceProject(next) {
      for (const source of next.sources) if (source.enabled) decoderOf(source, registry);
      project = next;
      if (isStarted) await apply();
    },
    async stop() {
      if (!isStarted) return;
      isStarted = false;
      await Promise.all([...running.keys()].map(stopSource));
      await follower?.stop();
      for (const sourceLog of sourceLogs.values()) await sourceLog.close();
      sourceLogs.clear();
    },
  };
};

const isSameTopic = (a: Source, b: Source | undefined): boolean =>
  b !== undefined && a.topic === b.topic && a.from === b.from && a.brokers?.join() === b.brokers?.join();

const readErasure = (record: LogRecord): Erasure | null => {
  try {
    return erasureCodec.decode(record.value);
  } catch {
    return null;
  }
};
