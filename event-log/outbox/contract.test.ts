/** With an outbox in front of it a log is a log. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeEventLogContract } from '../contract-suite.ts';
import { openLmdbLog } from '../lmdb/open-lmdb-log.ts';
import { openOutboxLog } from './open-outbox-log.ts';

describeEventLogContract('LMDB behind an outbox', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'attune-outbox-'));
  return {
    open: () =>
      openOutboxLog({
        openLog: () => openLmdbLog({ dir: join(dir, 'log'), partitions: 4 }),
        dir: join(dir, 'outbox'),
        maxBytes: 1_000_000,
      }),
    dispose: () => rm(dir, { recursive: true, force: true }),
  };
});
