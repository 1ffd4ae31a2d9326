/** What a log's environment knows of itself: format, epoch, partitions, and the boot under which it was last opened. */
import { randomInt } from 'node:crypto';
import { AttuneError } from '#contracts';
import type { Env } from './environment.ts';
import { ALL_TOPICS, Heads, META_KEY, headsKey } from './layout.ts';

const FORMAT = 1;

/**
 * After the machine died, records may be gone that a consumer had already seen (visible, not yet on the disk, never acknowledged).
 * Their offsets must not be given to other records: positions kept elsewhere would take the new ones for old. So each boot skips
 * this many offsets, more than a partition can take in the 50 ms at risk.
 */
const OFFSETS_SKIPPED_AFTER_BOOT = 65_536;

export interface Identity {
  readonly format: number;
  readonly epoch: number;
  readonly partitions: number;
  readonly bootId: string;
}

export interface IdentityRequest {
  readonly env: Env;
  readonly dir: string;
  readonly partitions: number | undefined;
  readonly bootId: string;
}

/** Reads the identity or makes it; one process wins when several open a new log at once. */
export function openIdentity({ env, dir, partitions, bootId }: IdentityRequest): Identity {
  return env.transactionSync(() => {
    const stored = readIdentity(env);
    const identity = stored ?? { format: FORMAT, epoch: randomInt(1, 2 ** 31), partitions: partitions ?? 8, bootId };
    refuseMismatch(identity, dir, partitions);
    if (stored === null) writeIdentity(env, identity);
    else if (stored.bootId !== bootId) {
      skipOffsets(env, stored.partitions);
      writeIdentity(env, { ...stored, bootId });
    }
    return identity;
  });
}

function readIdentity(env: Env): Identity | null {
  const bytes = env.getBinary(META_KEY);
  return bytes === undefined ? null : (JSON.parse(bytes.toString()) as Identity);
}

function writeIdentity(env: Env, identity: Identity): void {
  env.putSync(META_KEY, Buffer.from(JSON.stringify(identity)));
}

function refuseMismatch(identity: Identity, dir: string, partitions: number | undefined): void {
  if (!Number.isInteger(identity.partitions) || identity.partitions < 1 || identity.partitions > 256)
    throw new AttuneError('event-log.partitions', `A log has 1 to 256 partitions, not ${identity.partitions}.`);
  if (identity.format !== FORMAT)
    throw new AttuneError('event-log.format', `The log in ${dir} has format ${identity.format}; this version reads format ${FORMAT}.`);
  if (partitions === undefined || partitions === identity.partitions) return;
  throw new AttuneError(
    'event-log.partitions',
    `The log in ${dir} has ${identity.partitions} partitions and cannot be opened with ${partitions}: ` +
      `ask for ${identity.partitions}, or start an empty directory and replay into it.`,
  );
}

function skipOffsets(env: Env, partitions: number): void {
  for (const topic of ALL_TOPICS) {
    const bytes = env.getBinary(headsKey(topic));
    if (bytes === undefined) continue;
    const heads = new Heads(partitions, bytes);
    for (let partition = 0; partition < partitions; partition += 1)
      if (heads.next(partition) > 0) heads.set(partition, heads.next(partition) + OFFSETS_SKIPPED_AFTER_BOOT, heads.timestampMs(partition));
    env.putSync(headsKey(topic), heads.bytes);
  }
}
