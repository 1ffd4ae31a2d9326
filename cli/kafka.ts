/** Kafka and its schema registry as the configuration names them. */
import { readFileSync } from 'node:fs';
import { createRegistryClient, createRegistryWire } from '#event-log';
import type { KafkaConnection, KafkaLogOptions, RegistryClient, TopicsOptions } from '#event-log';
import type { Config, KafkaConfig } from './config.ts';

export const kafkaConnection = ({ brokers, ssl, sasl }: KafkaConfig): KafkaConnection => ({
  brokers,
  ssl: ssl === null ? null : { ...pem('ca', ssl.ca), ...pem('cert', ssl.cert), ...pem('key', ssl.key) },
  sasl,
});

/** Null: records stay in Avro's single-object encoding. */
export const schemaRegistry = ({ registry }: KafkaConfig): RegistryClient | null =>
  registry === null
    ? null
    : createRegistryClient({ url: registry.url, username: registry.username ?? undefined, password: registry.password ?? undefined });

export const kafkaLogOptions = (kafka: KafkaConfig): KafkaLogOptions => {
  const { topicPrefix } = kafka;
  const registry = schemaRegistry(kafka);
  return {
    connection: kafkaConnection(kafka),
    topicPrefix,
    ...(registry === null ? {} : { wire: createRegistryWire({ registry, topicPrefix }) }),
  };
};

/** @param brokers how many there are */
export const topicsOptions = (kafka: KafkaConfig, config: Config, brokers: number): TopicsOptions => ({
  connection: kafkaConnection(kafka),
  topicPrefix: kafka.topicPrefix,
  partitions: config.partitions,
  replicationFactor: kafka.replication ?? Math.min(3, brokers),
  retentionDays: config.logRetentionDays,
});

const pem = (name: 'ca' | 'cert' | 'key', path: string | null): Partial<Record<'ca' | 'cert' | 'key', Buffer>> =>
  path === null ? {} : { [name]: readFileSync(path) };
