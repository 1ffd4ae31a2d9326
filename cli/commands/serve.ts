/** `attune serve`: the API. */
import { randomFillSync } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServing } from '#serving';
import type { Config } from '../config.ts';
import { openIdKey } from '../id-key.ts';
import { refuseOpenDoor } from '../open-door.ts';
import { openStores } from '../open-stores.ts';
import { runRole } from '../run-role.ts';

export const serve = (config: Config): Promise<void> =>
  runRole('api', config.logLevel, async (log) => {
    const apiKeys = refuseOpenDoor(config);
    const stores = await openStores(config);
    const serving = await createServing({
      log: stores.log,
      store: stores.store,
      archive: null,
      catalogDir: config.catalogDir,
      idKey: openIdKey(config),
      apiKeys,
      clock: Date.now,
      random: createSecureRandom(),
      logger: log,
      config: { deadlineMs: config.deadlineMs },
    });
    await serving.app.listen({ host: config.host, port: config.port });
    const { port } = serving.app.server.address() as AddressInfo;
    await serving.ready;
    return {
      detail: `listening on ${config.host}:${port}, catalog ${config.catalogDir}`,
      port,
      async stop() {
        await serving.close();
        await stores.close();
      },
    };
  });

/** Uniform in [0, 1), 48 bits, not to be guessed from earlier draws; drawn from the system in blocks. */
const createSecureRandom = (): (() => number) => {
  const block = Buffer.alloc(6 * 1_024);
  let at = block.length;
  return () => {
    if (at === block.length) {
      randomFillSync(block);
      at = 0;
    }
    const value = block.readUIntBE(at, 6) / 0x1_0000_0000_0000;
    at += 6;
    return value;
  };
};
