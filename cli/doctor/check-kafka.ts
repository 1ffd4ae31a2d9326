/** Kafka: brokers, topics, the schema registry; mended, or given more partitions, where that is asked for. */
import { randomInt } from 'node:crypto';
import { checkRaise, checkRegistry, checkTopics, countBrokers, fixTopics, raisePartitions, unreadRecords } from '#event-log';
import type { TopicsOptions } from '#event-log';
import { REQUIRED_GROUPS, checkSources } from '#pipeline';
import { loadProject } from '#project';
import type { Source } from '#project';
import type { Config, KafkaConfig } from '../config.ts';
import { kafkaConnection, schemaRegistry, topicsOptions } from '../kafka.ts';
import { compileIngestProject, openSourceLogOf } from '../sources.ts';
import { fault, faultsOr, note, ok } from './finding.ts';
import type { Finding } from './finding.ts';

export interface KafkaCure {
  /** False: nothing is changed. */
  readonly fix: boolean;
  /** The log's partitions are to be so many; null: as many as there are. */
  readonly partitions: number | null;
}

export const checkKafka = async (kafka: KafkaConfig, config: Config, cure: KafkaCure): Promise<readonly Finding[]> => {
  try {
    const brokers = await countBrokers(kafkaConnection(kafka));
    return [
      ok(`Kafka at ${kafka.brokers.join(',')}: ${brokers} ${brokers === 1 ? 'broker' : 'brokers'}`),
      ...(await checkLog(kafka, config, cure, brokers)),
    ];
  } catch (error) {
    return [fault(`Kafka at ${kafka.brokers.join(',')}: ${(error as Error).message}`)];
  }
};

const checkLog = async (kafka: KafkaConfig, config: Config, cure: KafkaCure, brokers: number): Promise<readonly Finding[]> => {
  const options = topicsOptions(kafka, config, brokers);
  // A new life of the log must not be taken for an earlier one of the same name.
  const epoch = randomInt(1, 2 ** 31);
  const nowMs = Date.now();
  const done = cure.fix ? [...(await fixTopics({ ...options, nowMs, epoch })).done] : [];
  if (cure.fix && cure.partitions !== null)
    done.push(...(await raisePartitions({ ...options, nowMs, epoch, partitions: cure.partitions })).done);
  const { problems, generation } = await checkTopics(options);
  return [
    ...done.map((text): Finding => ({ state: 'done', text: `Kafka: ${text}` })),
    ...(!cure.fix && cure.partitions !== null ? [await wouldRaise({ ...options, partitions: cure.partitions })] : []),
    ...faultsOr(`Kafka: the topics are as they should be, with ${generation?.partitions ?? 0} partitions each`, 'Kafka', problems),
    ...(generation === null ? [] : await notesOfLog(options, generation.partitions, cure)),
    ...(options.replicationFactor === 1
      ? [note('Kafka: one copy of each record: for a trial; the loss of a disk loses what is on it')]
      : []),
    ...(await checkSchemas(kafka, cure.fix)),
    ...(await checkOwnTopics(kafka, config)),
  ];
};

const wouldRaise = async (options: TopicsOptions & { readonly partitions: number }): Promise<Finding> => {
  const { partitions } = (await checkRaise(options)).at(-1)!;
  return note(`Kafka: nothing was changed; with --fix the log has ${options.partitions} partitions, not ${partitions}, and a new epoch`);
};

/** What roles have yet to read, and a number of partitions that is set and does not count. */
const notesOfLog = async (options: TopicsOptions, partitions: number, cure: KafkaCure): Promise<readonly Finding[]> => {
  const groups = REQUIRED_GROUPS.filter(({ group }) => group !== 'learn');
  const unread = await Promise.all(
    groups.map(async ({ group, topics }) => `${group} ${await unreadRecords({ ...options, group, topics, partitions })}`),
  );
  const wanted = options.partitions ?? partitions;
  return [
    note(`Kafka: records left to read: ${unread.join(', ')}`),
    ...(wanted > partitions && cure.partitions === null
      ? [
          note(
            `Kafka: ATTUNE_PARTITIONS is ${wanted}, which counts when topics are made: the log keeps its ${partitions}; attune doctor --fix --partitions ${wanted} raises them (docs/kafka.md)`,
          ),
        ]
      : []),
  ];
};

/** A project that cannot be read is told of elsewhere. */
const checkOwnTopics = async (kafka: KafkaConfig, config: Config): Promise<readonly Finding[]> => {
  const sources = sourcesOf(config).filter(({ enabled }) => enabled);
  if (sources.length === 0) return [];
  const names = sources.map(({ name }) => name).join(', ');
  const faults = await checkSources({ sources, openSourceLog: openSourceLogOf(kafka), registry: schemaRegistry(kafka) });
  return faultsOr(`sources.yaml: the topics of ${names} can be read`, 'sources.yaml', faults);
};

const sourcesOf = (config: Config): readonly Source[] => {
  try {
    return compileIngestProject(loadProject(config.catalogDir)).sources;
  } catch {
    return [];
  }
};

const checkSchemas = async (kafka: KafkaConfig, fix: boolean): Promise<readonly Finding[]> => {
  const registry = schemaRegistry(kafka);
  if (registry === null) return [note('no schema registry (SCHEMA_REGISTRY_URL): records are in Avro’s single-object encoding')];
  return faultsOr(
    'the schema registry knows every schema',
    'the schema registry',
    await checkRegistry({ registry, topicPrefix: kafka.topicPrefix, fix }),
  );
};
