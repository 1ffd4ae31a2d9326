/** The warehouse's two users: `pipeline` writes, `reader` reads; passwords from the environment, else drawn once for a data directory. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export const WRITER = 'pipeline';
export const READER = 'reader';

export interface WarehouseUsers {
  readonly [WRITER]: string;
  readonly [READER]: string;
}

/** Of the writer and of the reader; null: the one that was drawn. */
export interface GivenPasswords {
  readonly writer: string | null;
  readonly reader: string | null;
}

/** Reads `<dir>/users.json` (mode 600), which is made when it is missing; given passwords go before it. */
export const readWarehouseUsers = (dir: string, given: GivenPasswords = passwordsOf(process.env)): WarehouseUsers => {
  const file = path.join(dir, 'users.json');
  mkdirSync(dir, { recursive: true });
  try {
    const drawn = { [WRITER]: randomBytes(24).toString('base64url'), [READER]: randomBytes(24).toString('base64url') };
    // 'wx': of two processes that begin at once one makes the file, both read it.
    writeFileSync(file, JSON.stringify(drawn, null, 2), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const kept = JSON.parse(readFileSync(file, 'utf8')) as WarehouseUsers;
  return { pipeline: given.writer ?? kept.pipeline, reader: given.reader ?? kept.reader };
};

/** For a server that stands alone. */
const passwordsOf = (env: Readonly<Record<string, string | undefined>>): GivenPasswords => ({
  writer: env['ATTUNE_WAREHOUSE_PASSWORD'] || null,
  reader: env['ATTUNE_WAREHOUSE_READER_PASSWORD'] || null,
});

export type Role = 'writer' | 'reader';

/** Null: not one of ours. Compared in constant time. */
export const roleOf = (users: WarehouseUsers, name: string, password: string): Role | null => {
  const given = Buffer.alloc(256);
  const known = Buffer.alloc(256);
  given.write(password);
  known.write(name === WRITER ? users.pipeline : users.reader);
  const same = timingSafeEqual(given, known) && password.length <= 256 && password !== '';
  if (!same) return null;
  return name === WRITER ? 'writer' : name === READER ? 'reader' : null;
};
