/** The operator's own topics, as the configuration and sources.yaml name them. */
import { createCustomerKey } from '#contracts';
import type { DeadLetter } from '#contracts';
import { openKafkaSourceLog } from '#event-log';
import type { AppendRecord, EventLog, SourceLog } from '#event-log';
import { createIngestRole, eventOfLetter } from '#pipeline';
import type { IngestProject, IngestRole, Logger } from '#pipeline';
import { compileEventTypes, compileSources, loadProject } from '#project';
import type { Project } from '#project';
import type { Config, KafkaConfig } from './config.ts';
import { openIdKey } from './id-key.ts';
import { kafkaConnection, schemaRegistry } from './kafka.ts';

/** Throws ProjectError. */
export const compileIngestProject = (project: Project): IngestProject => {
  const eventTypes = compileEventTypes(project);
  return { eventTypes, sources: compileSources(project, eventTypes) };
};

/** Brokers of their own are reached as Attune's are: by the same TLS and SASL. */
export const openSourceLogOf =
  (kafka: KafkaConfig) =>
  (brokers: readonly string[] | null): SourceLog => {
    const connection = kafkaConnection(kafka);
    return openKafkaSourceLog({ connection: brokers === null ? connection : { ...connection, brokers }, groupPrefix: kafka.topicPrefix });
  };

export interface OpenIngestDeps {
  readonly config: Config;
  readonly log: EventLog;
  readonly project: IngestProject;
  readonly logger: Logger;
}

/** Null: the log is embedded, and sources are read beside a log on Kafka only. */
export const openIngest = ({ config, log, project, logger }: OpenIngestDeps): IngestRole | null => {
  const { kafka } = config;
  if (kafka === null) {
    const names = project.sources.filter(({ enabled }) => enabled).map(({ name }) => name);
    if (names.length > 0) logger.warn({ sources: names }, 'sources.yaml names topics, which are read where KAFKA_BROKERS is set');
    return null;
  }
  return createIngestRole({
    log,
    project,
    openSourceLog: openSourceLogOf(kafka),
    registry: schemaRegistry(kafka),
    customerKey: createCustomerKey(openIdKey(config)),
    clock: Date.now,
    logger,
  });
};

/** What a dead letter of a source gives by today's sources.yaml. */
export const replayOfSources = (config: Config): ((letter: DeadLetter) => Promise<AppendRecord | null>) => {
  const project = compileIngestProject(loadProject(config.catalogDir));
  const registry = config.kafka === null ? null : schemaRegistry(config.kafka);
  const customerKey = createCustomerKey(openIdKey(config));
  return (letter) => eventOfLetter({ project, registry, customerKey, clock: Date.now }, letter);
};
