/** The floor: a bare Fastify route with the same validation, auth, one read of the same record, and a response of the same size. */
import { createCustomerKey, customerKeyToBytes, shardOf } from '#contracts';
import { Redis } from 'ioredis';
import { createAuthorise } from '../../serving/auth/authorise.ts';
import { parseApiKeys } from '../../serving/auth/api-keys.ts';
import { createHttpServer } from '../../serving/http-server.ts';
import { DecisionAnswer, DecisionRequest } from '../../serving/schemas/decisions.ts';
import { floorKey, openStore } from './open-engines.ts';
import type { ServerStart } from './server-start.ts';

process.once('message', (start: ServerStart) => {
  void (async () => {
    const read = await openRead(start);
    const customerKey = createCustomerKey(start.idKey);
    const answer = JSON.parse(start.answer!) as DecisionAnswer;
    const app = createHttpServer({ logger: null, onRefused: () => undefined });
    app.post<{ Body: DecisionRequest }>(
      '/v1/decisions',
      {
        onRequest: createAuthorise(parseApiKeys(start.apiKeys))('decide'),
        schema: { body: DecisionRequest, response: { 201: DecisionAnswer } },
      },
      async (request, reply) => {
        const id = request.body.customerId!;
        const bytes = await read(customerKeyToBytes(customerKey({ kind: 'customer', id })), shardOf(id));
        if (bytes === null) throw new Error('the bench reads a customer who is not there');
        reply.statusCode = 201;
        return answer;
      },
    );
    await app.listen({ host: '127.0.0.1', port: 0 });
    process.send!({ port: (app.server.address() as { port: number }).port });
    // Any message asks what the processor has spent.
    process.on('message', () => process.send!(process.cpuUsage()));
    process.once('disconnect', () => process.exit(0));
  })();
});

/** Embedded, the store's own read; on Redis, one GET by ioredis. */
const openRead = async (start: ServerStart): Promise<(key: Buffer, shard: number) => Buffer | null | Promise<Buffer | null>> => {
  if (start.engines === null) {
    const store = await openStore(start);
    return (key, shard) => store.states.read(key, shard);
  }
  const redis = new Redis(start.engines.redisUrl, { enableAutoPipelining: true });
  // Redis is stopped at the end, when nobody asks the floor any more.
  redis.on('error', () => undefined);
  return (key) => redis.getBuffer(floorKey(key));
};
