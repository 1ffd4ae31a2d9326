import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Cluster } from './cluster.ts';

describe('a broker that takes connections and never answers', () => {
  let server: Server;
  let sockets: Set<Socket>;
  let taken: number;

  beforeEach(async () => {
    sockets = new Set();
    taken = 0;
    // A stopped process: the machine acknowledges, and nobody ends the other half of a connection.
    server = createServer({ allowHalfOpen: true }, (socket) => {
      taken += 1;
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });

  it('costs no socket that stays', async () => {
    const { port } = server.address() as AddressInfo;
    const timeouts = { connectTimeoutMs: 100, requestTimeoutMs: 100 };
    const cluster = new Cluster({ brokers: [{ host: '127.0.0.1', port }], clientId: 'test', ssl: null, sasl: null, ...timeouts });
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await expect(cluster.describe(['t'])).rejects.toMatchObject({ code: 'event-log.unavailable' });
      expect(taken).toBe(attempt);
    }
    await cluster.close();
    // What is written to a socket that is closed comes back as an error; one that only ended its half takes it.
    const stillOpen = (): number => {
      for (const socket of sockets) socket.write('?');
      return sockets.size;
    };
    await expect.poll(stillOpen, { timeout: 2_000 }).toBe(0);
  });

  it('is told of once', async () => {
    const { port } = server.address() as AddressInfo;
    const timeouts = { connectTimeoutMs: 100, requestTimeoutMs: 100 };
    const toldOf = async (hosts: readonly string[]): Promise<string> => {
      const cluster = new Cluster({ brokers: hosts.map((host) => ({ host, port })), clientId: 'test', ssl: null, sasl: null, ...timeouts });
      const { message } = (await cluster.describe(['t']).catch((error: unknown) => error)) as Error;
      await cluster.close();
      return message;
    };
    for (const hosts of [['127.0.0.1'], ['127.0.0.1', 'localhost']])
      await expect(toldOf(hosts)).resolves.toMatch(/^Kafka: (?!.*Kafka: ).*broker \S+ does not answer: .*[^.]\.$/);
    await expect(toldOf(['127.0.0.1'])).resolves.not.toMatch(/no broker/);
  });
});
