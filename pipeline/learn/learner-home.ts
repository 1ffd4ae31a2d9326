/** A directory of the learner's own, locked by the operating system for as long as its process lives. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AttuneError } from '#contracts';

export interface LearnerHome {
  readonly dir: string;
  /** 1 for the first of a base directory. */
  readonly number: number;
  /** The same at every start in this home, another in every other. */
  readonly id: string;
  close(): void;
}

const MOST_HOMES = 64;

/**
 * The first home that nobody lives in: `base`, `base-2`, `base-3`, … A paused process keeps its own, one that was killed loses it at once.
 */
export const openLearnerHome = (base: string): LearnerHome => {
  for (let number = 1; number <= MOST_HOMES; number++) {
    const dir = number === 1 ? base : `${base}-${number}`;
    mkdirSync(dir, { recursive: true });
    const lock = lockOf(dir);
    if (lock !== null) return { dir, number, id: idOf(dir), close: () => lock.close() };
  }
  throw new AttuneError(
    'learner.no-home',
    `${MOST_HOMES} processes already learn in ${base}…; give this one an ATTUNE_DATA_DIR of its own`,
  );
};

/** Node has no call for file locks; SQLite, which comes with Node, takes one for an exclusive transaction. Nothing is ever written. */
const lockOf = (dir: string): DatabaseSync | null => {
  const database = new DatabaseSync(join(dir, 'lock'), { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode=OFF; BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return null;
    throw error;
  }
};
const SQLITE_BUSY = 5;

const idOf = (dir: string): string => {
  const path = join(dir, 'id');
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const id = randomUUID();
    writeFileSync(path, id);
    return id;
  }
};
