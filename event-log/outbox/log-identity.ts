/** Epoch and partitions of the log, kept on the disk, so that a process that starts while the log is away knows them. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EventLog } from '../port.ts';

export type LogIdentity = Pick<EventLog, 'epoch' | 'partitions'>;

/** Null: no process that shares the folder has reached the log yet. */
export const readLogIdentity = (dir: string): LogIdentity | null => {
  try {
    const { epoch, partitions } = JSON.parse(readFileSync(pathIn(dir), 'utf8')) as Partial<LogIdentity>;
    return typeof epoch === 'number' && typeof partitions === 'number' ? { epoch, partitions } : null;
  } catch {
    return null;
  }
};

export const writeLogIdentity = (dir: string, { epoch, partitions }: LogIdentity): void => {
  const own = `${pathIn(dir)}.${process.pid}`;
  writeFileSync(own, JSON.stringify({ epoch, partitions }), { mode: 0o600 });
  renameSync(own, pathIn(dir));
};

const pathIn = (dir: string): string => join(dir, 'log.json');
