/** How far the import of a file has come, kept by the hash of its content, so that a killed import goes on and a finished one is known. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface ImportState {
  /** Up to it, all rows are in the log or among the rejected. */
  readonly line: number;
  readonly accepted: number;
  readonly rejected: number;
  /** Bytes of the file of rejected rows. */
  readonly rejectedLength: number;
  /** ms since 1970 UTC; null: not finished. */
  readonly finishedAt: number | null;
}

export const NOT_BEGUN: ImportState = Object.freeze({ line: 0, accepted: 0, rejected: 0, rejectedLength: 0, finishedAt: null });

/** NOT_BEGUN where none is kept. */
export const readImportState = async (path: string): Promise<ImportState> => {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ImportState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NOT_BEGUN;
    throw error;
  }
};

export const writeImportState = async (path: string, state: ImportState): Promise<void> => {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(`${path}.new`, JSON.stringify(state), { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
};
