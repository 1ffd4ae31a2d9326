/** Puts the number of the newest transaction right in an environment's lock file, which LMDB has mapped into its processes' memory. */
import { fstatSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** The head of the file: magic uint32, format uint32, the newest transaction's number uint64, of the machine's own byte order. */
const HEAD_BYTES = 16;
const NUMBER_AT = 8;
const MAGIC = 0xbeefc0de;

interface LockFile {
  readonly descriptor: number;
  readonly inode: number;
}

/** By path. Never closed: closing any descriptor of a file drops all of the process's locks on it, LMDB's too. */
const opened = new Map<string, LockFile>();

/**
 * To be called by the holder of the environment's write lock alone.
 * @param newest the number of the newest commit
 * @throws when the file is not laid out as described: then only a restart of all processes that have it open helps
 */
export function refreshNewest(environment: string, newest: number): void {
  const path = join(environment, 'lock.mdb');
  const { descriptor } = lockFileAt(path);
  const head = Buffer.alloc(HEAD_BYTES);
  readSync(descriptor, head, 0, HEAD_BYTES, 0);
  const stored = Number(head.readBigUInt64LE(NUMBER_AT));
  if (head.readUInt32LE(0) !== MAGIC || stored > newest)
    throw new Error(`${path} says that its newest transaction is ${stored}, ${environment} that it is ${newest}; stop what has it open`);
  head.writeBigUInt64LE(BigInt(newest), NUMBER_AT);
  writeSync(descriptor, head, NUMBER_AT, HEAD_BYTES - NUMBER_AT, NUMBER_AT);
}

function lockFileAt(path: string): LockFile {
  const known = opened.get(path);
  if (known !== undefined && known.inode === statSync(path).ino) return known;
  const descriptor = openSync(path, 'r+');
  const lockFile = { descriptor, inode: fstatSync(descriptor).ino };
  opened.set(path, lockFile);
  return lockFile;
}
