/** The event log on Kafka: the contract of the port, against a real broker. */
import { randomUUID } from 'node:crypto';
import { describeEventLogContract } from '../../event-log/contract-suite.ts';
import { fixTopics, openKafkaLog } from '../../event-log/index.ts';
import { deleteTopics } from './delete-topics.ts';
import { withEngine } from './with-engine.ts';

withEngine('kafka', (url) => {
  const connection = { brokers: url.split(',') };

  describeEventLogContract('kafka', async () => {
    const topicPrefix = `t${randomUUID().slice(0, 8)}.`;
    await fixTopics({ connection, topicPrefix, partitions: 4, replicationFactor: 1, nowMs: Date.now(), epoch: 7 });
    return {
      open: () => openKafkaLog({ connection, topicPrefix, sessionTimeoutMs: 6_000, heartbeatMs: 300 }),
      dispose: () => deleteTopics(connection.brokers, topicPrefix),
      compactsLater: true,
    };
  });
});
