/** Blobs on LMDB: bytes under their SHA-256, and names that lead to them. */
import { hash } from 'node:crypto';
import type { Blobs } from '../port.ts';
import { attempt, type Environment } from './environment.ts';

export const createLmdbBlobs = (environment: Environment): Blobs => {
  const blobs = environment.table('blobs');
  const names = environment.table('names');
  const get = (key: Buffer): Buffer | null => attempt('read a blob', () => blobs.getBinary(key) ?? null);
  return {
    put: async (bytes, name) => {
      const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      const digest = hash('sha256', content, 'buffer');
      const nameKey = name === undefined ? undefined : Buffer.from(name, 'utf8');
      const isThere = blobs.doesExist(digest) && (nameKey === undefined || names.doesExist(nameKey));
      if (!isThere) {
        await environment.durably(() => {
          if (!blobs.doesExist(digest)) blobs.putSync(digest, content);
          if (nameKey !== undefined && !names.doesExist(nameKey)) names.putSync(nameKey, digest);
        });
      }
      return digest.toString('hex');
    },
    remove: async (digest) => {
      await environment.durably(() => void blobs.removeSync(Buffer.from(digest, 'hex')));
    },
    get: async (digest) => get(Buffer.from(digest, 'hex')),
    find: async (name) => {
      const digest = attempt('read a name', () => names.getBinary(Buffer.from(name, 'utf8')));
      return digest === undefined ? null : get(digest);
    },
  };
};
