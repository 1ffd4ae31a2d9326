/** The data directory, made before anything is put into it. */
import { accessSync, constants, mkdirSync } from 'node:fs';
import { AttuneError } from '#contracts';

/** Throws `config.invalid`. */
export const makeDataDir = (dir: string): void => {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    accessSync(dir, constants.W_OK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new AttuneError('config.invalid', `ATTUNE_DATA_DIR names ${dir}, which cannot be made or written (${code})`, { cause });
  }
};
