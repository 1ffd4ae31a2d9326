/** The secret under which customer ids are hashed: given by ATTUNE_ID_KEY, else kept beside the embedded engines. */
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from './config.ts';

const FILE = 'id-key';

/**
 * The first process to ask makes it (0600); all others read that one: a link either appears whole or was there already.
 * Losing the file makes every stored customer a stranger.
 */
export const openIdKey = (config: Pick<Config, 'idKey' | 'dataDir'>): string => {
  if (config.idKey !== null) return config.idKey;
  const path = join(config.dataDir, FILE);
  if (!existsSync(path)) {
    mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
    const draft = `${path}.${randomUUID()}`;
    writeFileSync(draft, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flush: true });
    try {
      linkSync(draft, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  }
  return readFileSync(path, 'utf8').trim();
};
