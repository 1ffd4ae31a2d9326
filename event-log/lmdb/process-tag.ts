/** Names a process so that the others on its machine can see at once when it has died. */
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Process ids mean something only among processes that share their namespace: elsewhere only the lease's end tells. */
const NAMESPACE = readNamespace();

export function processTag(): string {
  return `${NAMESPACE}:${process.pid}`;
}

/** True only when it is certain; a process id that was given to another process looks alive. */
export function isDead(tag: string): boolean {
  const at = tag.lastIndexOf(':');
  if (tag.slice(0, at) !== NAMESPACE) return false;
  try {
    process.kill(Number(tag.slice(at + 1)), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function readNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return hostname();
  }
}
