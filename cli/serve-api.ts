/** The API in this process: alone at its port, or one of several workers behind it. */
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { createServing } from '#serving';
import type { Config } from './config.ts';
import { describeLog, describeStore } from './engines.ts';
import { openIdKey } from './id-key.ts';
import { refuseOpenDoor } from './open-door.ts';
import { judgeApart } from './promotion/judge-apart.ts';
import { openServingStores } from './open-stores.ts';
import type { RunningRole } from './run-role.ts';
import { createSecureRandom } from './secure-random.ts';
import { createSiblings } from './workers/siblings.ts';

/**
 * @param slot which of several workers this is; null: it stands alone
 * @param giveUp for what shows after the start
 */
export const serveApi = async (config: Config, slot: number | null, log: Logger, giveUp: (error: Error) => void): Promise<RunningRole> => {
  const apiKeys = refuseOpenDoor(config);
  const stores = await openServingStores(config, log, giveUp);
  const serving = await createServing({
    log: stores.log,
    store: stores.store,
    archive: null,
    judge: judgeApart,
    catalogDir: config.catalogDir,
    idKey: openIdKey(config),
    apiKeys,
    env: process.env,
    clock: Date.now,
    random: createSecureRandom(),
    logger: log,
    config: { deadlineMs: config.deadlineMs, shadowShare: config.shadowShare },
    siblings: slot === null ? null : createSiblings(slot),
  });
  // Alone, it answers /healthz while it warms up; beside others it takes connections only when they are well served.
  if (slot !== null) await serving.ready;
  await serving.app.listen({ host: config.host, port: config.port });
  const { port } = serving.app.server.address() as AddressInfo;
  await serving.ready;
  return {
    detail: `listening on ${config.host}:${port}, catalog ${config.catalogDir}; ${describeLog(config)}, ${describeStore(config)}`,
    port,
    async stop() {
      await serving.close();
      await stores.close();
    },
  };
};
