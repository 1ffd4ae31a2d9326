/** A TCP proxy of the tests' own on loopback: cuts connections, refuses new ones, delays, and lets through again. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Connections that it has at this moment. */
  connections(): number;
  /** Ends every connection with a reset; new ones are taken. */
  cut(): void;
  /** Takes no new connections and ends the others, until `open`. */
  close(): void;
  open(): void;
  /** Holds back what arrives for this long, in both directions; Infinity: loses it. */
  delay(ms: number): void;
  stop(): Promise<void>;
}

export const startTcpProxy = async (options: { readonly target: number; readonly port?: number }): Promise<TcpProxy> => {
  const sockets = new Set<Socket>();
  let isOpen = true;
  let delayMs = 0;
  const pass = (from: Socket, to: Socket): void => {
    from.on('data', (data) => {
      if (delayMs === Infinity) return;
      const write = (): void => {
        if (!to.destroyed) to.write(data);
      };
      if (delayMs > 0) setTimeout(write, delayMs);
      else write();
    });
    from.on('close', () => to.destroy());
    from.on('error', () => to.destroy());
  };
  const server = createServer({ noDelay: true }, (client) => {
    if (!isOpen) return void client.resetAndDestroy();
    const upstream = connect({ host: '127.0.0.1', port: options.target, noDelay: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
    pass(client, upstream);
    pass(upstream, client);
  }).listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => sockets.size / 2,
    cut,
    close() {
      isOpen = false;
      cut();
    },
    open: () => void (isOpen = true),
    delay: (ms) => void (delayMs = ms),
    async stop() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
};
