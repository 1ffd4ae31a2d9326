/** Takes erased customers out of the snapshots that are kept (law 9). */
import { customerKeyFromBytes } from '#contracts';
import type { EventLog } from '#event-log';
import { readChunk, readChunkKeys, writeChunk } from './chunk-file.ts';
import { readErasures, type KnownErasures } from './read-erasures.ts';
import { chunkPath, isErasedSince, listSnapshots, type Snapshot } from './snapshot.ts';

/** Keys are read, values only of files that hold an erased customer. Returns how many states went. */
export const scrubSnapshots = async (log: EventLog, root: string): Promise<number> => {
  const snapshots = await listSnapshots(root);
  if (snapshots.length === 0) return 0;
  const erased = await readErasures(log);
  if (erased.size === 0) return 0;
  let scrubbed = 0;
  for (const snapshot of snapshots) scrubbed += await scrub(snapshot, erased);
  return scrubbed;
};

const scrub = async ({ dir, manifest }: Snapshot, erased: KnownErasures): Promise<number> => {
  let scrubbed = 0;
  /** Who was erased before the snapshot came back since: what it holds is of afterwards. */
  const mustGo = (key: Buffer): boolean => {
    const erasure = erased.get(customerKeyFromBytes(key));
    return erasure !== undefined && isErasedSince(manifest, erasure);
  };
  for (const [partition, { chunks }] of manifest.partitions.entries()) {
    for (let chunk = 0; chunk < chunks; chunk++) {
      const path = chunkPath(dir, partition, chunk);
      if (!(await readChunkKeys(path)).some(mustGo)) continue;
      const records = await readChunk(path);
      const kept = records.filter(({ key }) => !mustGo(key));
      await writeChunk(path, kept);
      scrubbed += records.length - kept.length;
    }
  }
  return scrubbed;
};
