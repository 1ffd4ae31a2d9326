/**
 * A port of loopback that is free at this moment, at random: not one that the system gives to connections and to whoever asks for any port, for
 * such a one may be gone before it is used.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';

const FIRST = 11_000;
/** Linux gives away ports from 32,768 on by itself. */
const END = 32_000;
const TRIES = 50;

export const freePort = async (): Promise<number> => {
  for (let left = TRIES; ; left--) {
    const port = FIRST + Math.floor(Math.random() * (END - FIRST));
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if (left === 0) throw error;
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
};
