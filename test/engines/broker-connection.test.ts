/** The log's connections to a real broker. */
import { describe, expect, test } from 'vitest';
import { createBrokerConnection } from '../../event-log/kafka/kafkajs-insides.ts';
import { startTcpProxy } from './tcp-proxy.ts';
import { withEngine } from './with-engine.ts';

withEngine('kafka', (url) => {
  describe('a connection to a broker', () => {
    test('requests of the same moment share its sockets, however many find none', async () => {
      const proxy = await startTcpProxy({ target: Number(url.split(',')[0]!.split(':')[1]) });
      const connection = createBrokerConnection(
        { host: '127.0.0.1', port: proxy.port },
        { clientId: 'test', ssl: null, sasl: null, connectTimeoutMs: 3_000, requestTimeoutMs: 5_000 },
      );
      await connection.connect();
      const fetch = () => connection.sendRaw('Fetch', { maxWaitTime: 0, minBytes: 1, maxBytes: 1, isolationLevel: 0, topics: [] });
      await Promise.all([fetch(), fetch(), fetch(), fetch()]);
      expect(proxy.connections()).toBe(2);
      await connection.disconnect();
      await expect.poll(() => proxy.connections()).toBe(0);
      await proxy.stop();
    });
  });
});
