/** Removes what a test left in a broker that others use after it: thousands of partitions make it slow. */
import { Kafka, logLevel } from 'kafkajs';

export const deleteTopics = async (brokers: readonly string[], prefix: string): Promise<void> => {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix));
    if (topics.length > 0) await admin.deleteTopics({ topics });
  } finally {
    await admin.disconnect();
  }
};
