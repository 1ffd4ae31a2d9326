/** LMDB frees pages without overwriting them: this writes zeros over every free page, so that what was deleted is in no file. */
import type { SharedLmdb } from '#shared-lmdb';
import { ONE_PAGE } from './whole-pages.ts';

/** A page each: more than a leaf takes, so that it goes to a page of its own, to whose end it reaches. */
const ZEROS = Buffer.alloc(ONE_PAGE);
const CHUNK = 64;
/** A page is free for use only once no reader can see what it held. */
const PASSES = 2;
const BETWEEN_PASSES_MS = 500;

/**
 * Readers and writers go on meanwhile; it takes the file's free pages for a moment, 64 in a transaction.
 * @param isStopped asked between transactions; then it returns early
 */
export const wipeFreePages = async (root: SharedLmdb, isStopped: () => boolean = () => false): Promise<void> => {
  const zeros = root.openDB<Buffer, Buffer>({ name: 'zeros', encoding: 'binary', keyEncoding: 'binary' });
  const pages = (): number => (root.getStats() as { lastPageNumber: number }).lastPageNumber;
  for (let pass = 0; pass < PASSES; pass++) {
    if (pass > 0) await new Promise((resolve) => setTimeout(resolve, BETWEEN_PASSES_MS));
    for (let next = 0, grown = 0; grown < CHUNK;) {
      if (isStopped()) return;
      const before = pages();
      await root.transaction(() => {
        for (let i = 0; i < CHUNK; i++) {
          const key = Buffer.alloc(4);
          key.writeUInt32BE(next++);
          zeros.putSync(key, ZEROS);
        }
      });
      // All of the chunk came from the file's end: no page was free.
      grown = pages() - before;
    }
    await root.transaction(() => zeros.clearSync());
  }
  await root.flushed;
};

/** Whoever deletes calls it within the same transaction: what LMDB shifts within a page is then zeros. */
export const removeWiped = (table: Pick<SharedLmdb, 'getBinary' | 'putSync' | 'removeSync'>, key: Buffer): void => {
  const value = table.getBinary(key);
  if (value === undefined) return;
  table.putSync(key, Buffer.alloc(value.length));
  table.removeSync(key);
};
