/** The API as `attune serve` runs it, in a process of its own. */
import { createServing, parseApiKeys } from '#serving';
import { openLog, openStore } from './open-engines.ts';
import type { ServerStart } from './server-start.ts';

process.once('message', (start: ServerStart) => {
  void (async () => {
    const log = await openLog(start);
    const store = await openStore(start);
    const serving = await createServing({
      log,
      store,
      archive: null,
      catalogDir: start.catalogDir,
      idKey: start.idKey,
      apiKeys: parseApiKeys(start.apiKeys),
      clock: Date.now,
      random: Math.random,
    });
    await serving.ready;
    await serving.app.listen({ host: '127.0.0.1', port: 0 });
    process.send!({ port: (serving.app.server.address() as { port: number }).port });
    // Any message asks what the processor has spent.
    process.on('message', () => process.send!(process.cpuUsage()));
    process.once('disconnect', () => process.exit(0));
  })();
});
