/** LMDB environments that several processes share, opened so that no commit is lost to an opening. */
export { openSharedLmdb, type SharedLmdbOptions } from './open-shared-lmdb.ts';
