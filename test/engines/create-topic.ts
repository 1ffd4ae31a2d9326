/** Makes a topic, and waits until it can be written: KafkaJS's own waiting fails where the broker has not heard of the topic yet. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Admin } from 'kafkajs';

export const createTopic = async (admin: Admin, topic: string, numPartitions: number): Promise<void> => {
  await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions, replicationFactor: 1 }] });
  for (let attempt = 0; attempt < 100; attempt++) {
    const described = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => null);
    const partitions = described?.topics[0]?.partitions ?? [];
    if (partitions.length === numPartitions && partitions.every(({ leader }) => leader >= 0)) return;
    await delay(100);
  }
  throw new Error(`${topic} has no leaders after ten seconds`);
};
