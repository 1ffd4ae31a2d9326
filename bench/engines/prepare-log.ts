/** Topics for a benchmark on a fresh broker, as `attune doctor --fix` makes them. */
import { fixTopics } from '#event-log';

export const prepareLog = async (brokers: readonly string[], partitions: number): Promise<void> => {
  await fixTopics({ connection: { brokers }, partitions, replicationFactor: 1, nowMs: Date.now(), epoch: 1 });
};
