/** The embedded warehouse as one thing to start and stop: engine, users and HTTP on a loopback port. */
import type { AddressInfo } from 'node:net';
import { openEngine, openSpool, type EngineOptions } from './engine.ts';
import { createWarehouseHttp } from './http.ts';
import { readWarehouseUsers, type GivenPasswords } from './users.ts';

export interface EmbeddedWarehouse {
  readonly url: string;
  readonly version: string;
  /** Finishes requests in hand. Safe to call twice. */
  stop(): Promise<void>;
}

/** @param options.port 0 takes a free one */
export const serveWarehouse = async (
  options: EngineOptions & { readonly host: string; readonly port: number; readonly passwords?: GivenPasswords },
): Promise<EmbeddedWarehouse> => {
  const users = readWarehouseUsers(options.dir, options.passwords);
  const engine = await openEngine(options);
  const server = createWarehouseHttp({ engine, users, spoolDir: openSpool(options.dir) });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  let stopping: Promise<void> | undefined;
  return {
    url: `http://${options.host}:${port}`,
    version: engine.version,
    stop() {
      stopping ??= new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }).then(() => engine.close());
      return stopping;
    },
  };
};
