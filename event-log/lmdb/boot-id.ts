/** Names the machine's current boot, so that a log can tell the death of the machine from the death of a process. */
import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

export function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return `up-since-${Math.round((Date.now() / 1000 - uptime()) / 600)}`;
  }
}
