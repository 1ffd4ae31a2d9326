import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeEventLogContract } from '../contract-suite.ts';
import { openLmdbLog } from './open-lmdb-log.ts';

describeEventLogContract('lmdb', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'attune-log-'));
  return { open: () => openLmdbLog({ dir }), dispose: () => rm(dir, { recursive: true }) };
});
