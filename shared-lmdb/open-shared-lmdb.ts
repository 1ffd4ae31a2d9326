/**
 * Opens an LMDB environment whose write transactions stand on the newest commit, whatever other processes open meanwhile.
 *
 * LMDB keeps the number of the newest transaction in its lock file. Whoever opens the environment reads that number from the data
 * file and, without a lock, stores it there (OpenLDAP's ITS#9496; lmdb 3.5 still has it): a commit in between is forgotten, the next
 * writer begins below it, and overwrites what was acknowledged. So every transaction asks first whether it stands on the newest
 * commit, which the data file tells and which only the holder of the write lock changes. One that does not writes nothing, puts the
 * number right, and begins anew.
 */
import { open, TransactionFlags, type Database, type RootDatabase, type RootDatabaseOptionsWithPath } from 'lmdb';
import { refreshNewest } from './lock-file.ts';

export type SharedLmdbOptions = Pick<RootDatabaseOptionsWithPath, 'mapSize' | 'maxDbs' | 'maxReaders' | 'eventTurnBatching'> & {
  /** A directory; made when absent. */
  readonly path: string;
};

export type SharedLmdb = RootDatabase<Buffer, Buffer>;
export type SharedLmdbTable = Database<Buffer, Buffer>;

/** What a step comes to that was not run. */
const STALE = Symbol('stale');

/** As lmdb opens its databases. */
const WITHOUT_FSYNC: TransactionFlags = TransactionFlags.SYNCHRONOUS_COMMIT | TransactionFlags.NO_SYNC_FLUSH;

/** Keys and values are bytes. Writes outside of a transaction are for `putSync` and `removeSync` alone, which make one. */
export function openSharedLmdb(options: SharedLmdbOptions): SharedLmdb {
  const root = open<Buffer, Buffer>({ ...options, noSubdir: false, cache: false, encoding: 'binary', keyEncoding: 'binary' });
  const transaction = root.transaction.bind(root);
  const transactionSync = root.transactionSync.bind(root);
  const openDB = root.openDB.bind(root) as (settings: object) => unknown;
  const onNewest =
    <T>(step: () => T) =>
    (): T | typeof STALE =>
      isOnNewest(root, options.path) ? step() : STALE;

  root.transaction = async (step) => {
    for (;;) {
      const result = await transaction(onNewest(step));
      if (result !== STALE) return result;
    }
  };
  root.transactionSync = (step, flags) => {
    for (;;) {
      const result = transactionSync(onNewest(step), flags);
      if (result !== STALE) return result;
    }
  };
  // A table that is new is a write.
  root.openDB = ((settings: object) => root.transactionSync(() => openDB(settings), WITHOUT_FSYNC)) as typeof root.openDB;

  // lmdb flushes when it closes, and waits until the number is the newest commit's: after an opener that died it would wait for ever. In turn
  // behind the transactions that are under way, for those need this thread.
  const close = root.close.bind(root);
  let isClosed = false;
  root.close = async () => {
    if (isClosed) return;
    isClosed = true;
    await root.transaction(() => undefined);
    await close();
  };

  // What this opening may have put back is right again before anybody waits for it.
  root.transactionSync(() => undefined, WITHOUT_FSYNC);
  return root;
}

/** Inside a write transaction that has written nothing. Otherwise the next transaction of any process is. */
function isOnNewest(root: SharedLmdb, path: string): boolean {
  const newest = newestCommit(root);
  if (root.getWriteTxnId() > newest) return true;
  refreshNewest(path, newest);
  return false;
}

/** The greater number of the data file's two heads, by lmdb's environment itself: `getStats` would walk the free pages each time. */
function newestCommit(root: SharedLmdb): number {
  const { env } = root as unknown as { readonly env: { info(): { readonly lastTxnId: number } } };
  return env.info().lastTxnId;
}
