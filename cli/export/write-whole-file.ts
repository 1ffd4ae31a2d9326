/** Writes a stream to a file that is there whole or not at all, or to stdout. */
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

export interface WholeFileOptions {
  /** `-` is stdout, where nothing can be taken back. */
  readonly path: string;
  /** What the bytes pass through first, such as a counter. */
  readonly through?: readonly Transform[];
  readonly gzip?: boolean;
  /** Looks at the file before it gets its name; what it throws leaves no file. */
  readonly check?: (path: string) => Promise<void>;
}

/** A file of this name is replaced in one step, when all is written and on disk. */
export const writeWholeFile = async (source: Readable, { path, through = [], gzip = false, check }: WholeFileOptions): Promise<void> => {
  const stages = [source, ...through, ...(gzip ? [createGzip()] : [])];
  if (path === '-') return pipeline([...stages, process.stdout], { end: false });
  const unfinished = join(dirname(path), `.${basename(path)}.${randomUUID().slice(0, 8)}.part`);
  try {
    // 0600: what customers did is for whoever asked for it.
    await pipeline([...stages, createWriteStream(unfinished, { flags: 'wx', mode: 0o600 })]);
    await check?.(unfinished);
    const file = await open(unfinished, 'r+');
    await file.sync();
    await file.close();
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
};
