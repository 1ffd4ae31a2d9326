/** The secret under which customer ids are hashed: given by ATTUNE_ID_KEY, else kept beside the embedded engines. */
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AttuneError } from '#contracts';
import type { Blobs } from '#feature-store';
import type { Config } from './config.ts';

const FILE = 'id-key';
const KEPT_AS = 'id-key';

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

/** The first process leaves the key's fingerprint in the feature store; any other key is refused there: every customer would be a stranger. */
export const agreeOnIdKey = async (blobs: Blobs, idKey: string): Promise<void> => {
  if ((await blobs.find(KEPT_AS)) === null) await blobs.put(Buffer.from(fingerprintOf(idKey)), KEPT_AS);
  const fault = await faultOfIdKey(blobs, idKey);
  if (fault !== null) throw new AttuneError('id-key.other', fault);
};

/** Null: the feature store was filled under this key, or under none yet. Changes nothing. */
export const faultOfIdKey = async (blobs: Blobs, idKey: string): Promise<string | null> => {
  const kept = (await blobs.find(KEPT_AS))?.toString();
  const given = fingerprintOf(idKey);
  if (kept === undefined || kept === given) return null;
  return `ATTUNE_ID_KEY is another key (fingerprint ${given}) than the feature store was filled under (${kept}): every customer in it would be a stranger; give the former key, or another REDIS_PREFIX or ATTUNE_DATA_DIR to begin anew`;
};

const fingerprintOf = (idKey: string): string =>
  createHmac('sha256', idKey).update('attune id key').digest().subarray(0, 8).toString('hex');
