/** Blobs on Redis: bytes under their SHA-256, and names that lead to them. */
import { hash } from 'node:crypto';
import type { Blobs } from '../port.ts';
import { bucketOfText } from './buckets.ts';
import type { Commands } from './commands.ts';
import type { Keys } from './keys.ts';

export const createRedisBlobs = (commands: Commands, keys: Keys): Blobs => {
  const atHash = (digest: string) => {
    const bucket = bucketOfText(digest);
    return { bucket, key: keys.blob(bucket, digest) };
  };
  const atName = (name: string) => {
    const bucket = bucketOfText(name);
    return { bucket, key: keys.name(bucket, name) };
  };
  const get = async (digest: string): Promise<Buffer | null> => {
    const { bucket, key } = atHash(digest);
    const [bytes] = await commands.all([{ bucket, run: 'GET', args: [key] }]);
    return bytes as Buffer | null;
  };
  return {
    get,
    async put(bytes, name) {
      const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      const digest = hash('sha256', content, 'hex');
      const blob = atHash(digest);
      const [there] = await commands.all([{ bucket: blob.bucket, run: 'EXISTS', args: [blob.key] }]);
      if (there === 0) await commands.all([{ bucket: blob.bucket, run: 'SET', args: [blob.key, content] }]);
      if (name !== undefined) {
        const { bucket, key } = atName(name);
        await commands.all([{ bucket, run: 'SET', args: [key, digest, 'NX'] }]);
      }
      return digest;
    },
    async find(name) {
      const { bucket, key } = atName(name);
      const [digest] = await commands.all([{ bucket, run: 'GET', args: [key] }]);
      return digest === null ? null : get((digest as Buffer).toString('latin1'));
    },
    async remove(digest) {
      const { bucket, key } = atHash(digest);
      await commands.all([{ bucket, run: 'UNLINK', args: [key] }]);
    },
  };
};
