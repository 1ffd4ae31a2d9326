import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { openRedisFeatureStore } from './open-redis-feature-store.ts';

/** Speaks as much of Redis as opening asks of it. */
const serverOf = async (version: string): Promise<{ readonly url: string; stop: () => void }> => {
  const info = `redis_version:${version}\r\nrole:master\r\n`;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      for (const _ of data.toString().matchAll(/^\*/gm)) {
        socket.write(/info/i.test(data.toString()) ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n');
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`, stop: () => void server.close() };
};

test('a Redis that is too old is refused by its version, for good', async () => {
  const { url, stop } = await serverOf('5.0.14');
  await expect(openRedisFeatureStore({ url, partitions: 4 })).rejects.toMatchObject({
    code: 'redis.version',
    retriable: false,
    message: expect.stringMatching(/^Redis at \S+ is 5\.0\.14; 6\.2 or later is needed$/),
  });
  stop();
});
