/** A snapshot on disk: a folder with a manifest, which is written last, and chunks of each partition; blobs are shared by all snapshots of a root. */
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AttuneError, type Topic } from '#contracts';

/** By topic: the next offset to read. */
export type Offsets = Readonly<Partial<Record<Topic, number>>>;

export interface PartitionManifest {
  /** Of the group `state`, before the first value was read: every value holds at least what came before. */
  readonly replayFrom: Offsets;
  /** In the partition of this number of the topic of erasures: those before it had been carried out when the first value was read. */
  readonly erasedBelow: number;
  readonly chunks: number;
  readonly states: number;
  readonly waiting: number;
}

export interface Manifest {
  readonly format: 1;
  /** ms since 1970 UTC */
  readonly takenAt: number;
  /** Of the log: positions mean nothing in another life of it. */
  readonly epoch: number;
  readonly partitions: readonly PartitionManifest[];
  /** Feature definitions, catalogs and models that states and receipts name. */
  readonly blobs: readonly { readonly name: string | null; readonly hash: string }[];
}

export interface Snapshot {
  /** The folder. */
  readonly dir: string;
  readonly name: string;
  readonly manifest: Manifest;
}

const MANIFEST = 'manifest.json';
export const PARTIAL = '.partial';
export const BLOBS = 'blobs';

export const chunkPath = (dir: string, partition: number, chunk: number): string =>
  join(dir, `${String(partition).padStart(4, '0')}-${String(chunk).padStart(6, '0')}.chunk`);

export const writeManifest = (dir: string, manifest: Manifest): Promise<void> =>
  writeFile(join(dir, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600, flush: true });

/** Throws `snapshot.missing` where there is none, `snapshot.format` where another version wrote it. */
export const openSnapshot = async (dir: string): Promise<Snapshot> => {
  let text: string;
  try {
    text = await readFile(join(dir, MANIFEST), 'utf8');
  } catch (cause) {
    throw new AttuneError('snapshot.missing', `${dir} holds no finished snapshot: it has no ${MANIFEST}`, { cause });
  }
  const manifest = JSON.parse(text) as Manifest;
  if (manifest.format !== 1) {
    throw new AttuneError('snapshot.format', `${dir} is a snapshot of format ${String(manifest.format)}; this version reads format 1`);
  }
  return { dir, name: dir.split('/').at(-1)!, manifest };
};

/** It is not said by the snapshot to have been carried out before: what is there of the customer is of before. */
export const isErasedSince = (
  { partitions }: Manifest,
  { partition, offset }: { readonly partition: number; readonly offset: number },
): boolean => offset >= (partitions[partition]?.erasedBelow ?? 0);

/** Finished ones under a root, newest first; empty when the root is not there. */
export const listSnapshots = async (root: string): Promise<Snapshot[]> => {
  const found: Snapshot[] = [];
  for (const name of await namesIn(root)) {
    if (name === BLOBS || name.endsWith(PARTIAL)) continue;
    try {
      found.push(await openSnapshot(join(root, name)));
    } catch (error) {
      if ((error as { code?: string }).code !== 'snapshot.missing') throw error;
    }
  }
  return found.toSorted((a, b) => b.manifest.takenAt - a.manifest.takenAt);
};

/** Leaves the newest `keep`, and the blobs that they name; takes away what a killed run left. Returns the names of those gone. */
export const pruneSnapshots = async (root: string, keep: number): Promise<string[]> => {
  const all = await listSnapshots(root);
  const gone = all.slice(keep);
  for (const { dir } of gone) await rm(dir, { recursive: true, force: true });
  const named = new Set(all.slice(0, keep).flatMap(({ manifest }) => manifest.blobs.map(({ hash }) => hash)));
  for (const name of await namesIn(root)) if (name.endsWith(PARTIAL)) await rm(join(root, name), { recursive: true, force: true });
  for (const hash of await namesIn(join(root, BLOBS))) if (!named.has(hash)) await rm(join(root, BLOBS, hash), { force: true });
  return gone.map(({ name }) => name);
};

const namesIn = async (dir: string): Promise<string[]> => {
  try {
    return await readdir(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
};
