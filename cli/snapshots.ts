/** Where snapshots lie unless a command is told otherwise. */
import { join } from 'node:path';
import type { Config } from './config.ts';

export const snapshotsDir = (config: Pick<Config, 'dataDir'>): string => join(config.dataDir, 'snapshots');
