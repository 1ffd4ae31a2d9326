/** The floor: a kafkajs consumer that sends one pipelined GET and SET for each customer of a batch, and does nothing else. */
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import { TOPICS } from '#contracts';
import { cpuMs } from '../cpu-ms.ts';
import type { ConsumerStart, Round } from './round.ts';

process.once('message', (start: ConsumerStart) => {
  const redis = new Redis(start.redisUrl);
  const value = Buffer.alloc(start.valueBytes, 2);
  const kafka = new Kafka({ brokers: [...start.brokers], logLevel: logLevel.NOTHING });
  const consume = async ({ events, targets }: Round): Promise<void> => {
    const consumer = kafka.consumer({ groupId: 'floor', maxWaitTimeInMs: 100 });
    await consumer.connect();
    await consumer.subscribe({ topics: [TOPICS.events], fromBeginning: true });
    let seen = 0;
    let writes = 0;
    let [begunMs, begunCpuMs] = [0, 0];
    const done = Promise.withResolvers<void>();
    await consumer.run({
      partitionsConsumedConcurrently: start.partitions,
      eachBatch: async ({ batch }) => {
        if (begunMs === 0) [begunMs, begunCpuMs] = [performance.now(), cpuMs()];
        const customers = new Set(batch.messages.map(({ offset }) => targets[batch.partition]![Number(offset)]!));
        const pipeline = redis.pipeline();
        for (const customer of customers) {
          pipeline.getBuffer(`floor:${customer}`);
          pipeline.set(`floor:${customer}`, value);
        }
        await pipeline.exec();
        writes += customers.size;
        seen += batch.messages.length;
        if (seen >= events) done.resolve();
      },
    });
    await done.promise;
    const answer = { ms: performance.now() - begunMs, writes, cpuMs: cpuMs() - begunCpuMs };
    await consumer.disconnect();
    process.send!(answer);
  };
  process.on('message', (round: Round) => void consume(round));
  process.once('disconnect', () => process.exit(0));
  process.send!('ready');
});
