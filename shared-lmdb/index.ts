/** LMDB environments that several processes share, opened so that no commit is lost to an opening. */
export { openSharedLmdb, type SharedLmdb, type SharedLmdbOptions, type SharedLmdbTable } from './open-shared-lmdb.ts';
