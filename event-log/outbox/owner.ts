/** Names the process that a segment belongs to, so that its death is certain: a process id alone may have been given to another. */
import { readFileSync } from 'node:fs';
import { isDead, processTag } from '../lmdb/process-tag.ts';

/** The start, in ticks since the machine's boot, tells two processes of one number apart. */
export const ownerTag = (): string => `${processTag()}@${startOf(process.pid)}`;

/** True only when it is certain; in another container nothing is, and only the age of its files tells. */
export const isGone = (tag: string): boolean => {
  const at = tag.lastIndexOf('@');
  const other = tag.slice(0, at);
  if (isDead(other)) return true;
  const colon = other.lastIndexOf(':');
  const sameNamespace = processTag().slice(0, processTag().lastIndexOf(':')) === other.slice(0, colon);
  return sameNamespace && startOf(Number(other.slice(colon + 1))) !== tag.slice(at + 1);
};

/** Field 22 of /proc/PID/stat; the name in field 2 may hold spaces and brackets. */
const startOf = (pid: number): string => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
};
