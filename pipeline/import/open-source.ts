/** A file as a source of rows, by its name's end. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { AttuneError } from '#contracts';
import { openCsv } from './csv-source.ts';
import { openJsonl } from './jsonl-source.ts';
import { openParquet } from './parquet-source.ts';
import type { Source } from './source.ts';

/** Throws `import.file`. @param delimiter of a CSV file; null: found in its header */
export const openSource = async (path: string, delimiter: string | null = null): Promise<Source> => {
  try {
    if (/\.parquet$/i.test(path)) return await openParquet(path);
    if (/\.(jsonl|ndjson)$/i.test(path)) return await openJsonl(path);
    if (/\.(csv|tsv|txt)$/i.test(path)) return await openCsv(path, delimiter);
  } catch (cause) {
    if (cause instanceof AttuneError) throw cause;
    throw new AttuneError('import.file', `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  throw new AttuneError('import.file', `${path} is none of .csv, .parquet and .jsonl`);
};

/** 20 hex digits of the SHA-256 of its content. */
export const hashOfFile = async (path: string): Promise<string> => {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex').slice(0, 20);
};
