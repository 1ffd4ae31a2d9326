/** What an administrator asks of Kafka, by KafkaJS's front door. */
import type { Admin } from 'kafkajs';
import { createCluster, createKafka } from './connection.ts';
import { encodeGeneration, GENERATIONS_TOPIC, readGenerations, type Generation } from './generations.ts';
import type { TopicsOptions } from './plan-topics.ts';
import type { KafkaConnection } from './settings.ts';

const PATIENCE_MS = 10_000;

export async function withAdmin<T>(connection: KafkaConnection, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = createKafka(connection).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

export async function generationsOf({ connection, topicPrefix = '' }: TopicsOptions): Promise<readonly Generation[]> {
  const cluster = createCluster(connection);
  try {
    return await readGenerations(cluster, topicPrefix, PATIENCE_MS);
  } finally {
    await cluster.close();
  }
}

export async function writeGeneration({ connection, topicPrefix = '' }: TopicsOptions, generation: Generation): Promise<void> {
  const producer = createKafka(connection).producer({ idempotent: true, maxInFlightRequests: 1, createPartitioner: () => () => 0 });
  await producer.connect();
  try {
    const topic = `${topicPrefix}${GENERATIONS_TOPIC}`;
    await producer.send({ topic, acks: -1, messages: [{ partition: 0, value: encodeGeneration(generation) }] });
  } finally {
    await producer.disconnect();
  }
}

/** That Kafka has at this moment. */
export async function countBrokers(connection: KafkaConnection): Promise<number> {
  return withAdmin(connection, async (admin) => (await admin.describeCluster()).brokers.length);
}
