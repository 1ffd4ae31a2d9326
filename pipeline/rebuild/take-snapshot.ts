/** Copies the feature store to files while it is in use. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AttuneError, STATE_INPUTS, TOPICS, modelCodec, partitionOf, type Clock, type Topic } from '#contracts';
import type { EventLog } from '#event-log';
import { fingerprintOf, isRebuilding, nameOfFeatureSet, type FeatureStore } from '#feature-store';
import { writeChunk, type ChunkRecord } from './chunk-file.ts';
import type { OnProgress } from '../progress.ts';
import {
  BLOBS,
  PARTIAL,
  chunkPath,
  openSnapshot,
  writeManifest,
  type Manifest,
  type Offsets,
  type PartitionManifest,
  type Snapshot,
} from './snapshot.ts';

export interface TakeSnapshotDeps {
  readonly log: EventLog;
  readonly store: FeatureStore;
  /** Where snapshots lie. */
  readonly root: string;
  readonly clock: Clock;
  /** Named blobs that no state names and a restored system needs: catalogs in force now or in earlier snapshots. */
  readonly blobNames?: readonly string[];
  readonly onProgress?: OnProgress;
  /** Records in a file. Default: 65,536 in memory, shared by the partitions. */
  readonly chunkRecords?: number;
}

const HELD_RECORDS = 65_536;

/**
 * Values of a customer are whole, those of different customers may be of different moments: the position in each says what it holds,
 * and a rebuild replays the log from the place before the first. What waits for its decision is read first, states afterwards, so that an
 * outcome is in either (or, when its decision came in between, in both; a rebuild asks the log). Links to decisions are made of states again.
 */
export const takeSnapshot = async (deps: TakeSnapshotDeps): Promise<Snapshot> => {
  const { log, store, root, clock } = deps;
  await refuseRebuilding(store);
  const takenAt = clock();
  const name = new Date(takenAt).toISOString().replaceAll(':', '-');
  const dir = join(root, name);
  const partial = `${dir}${PARTIAL}`;
  await mkdir(partial, { recursive: true, mode: 0o700 });
  try {
    const fingerprints = new Set<string>();
    const places: Awaited<ReturnType<typeof placeOf>>[] = [];
    for (let partition = 0; partition < log.partitions; partition++) places.push(await placeOf(log, partition));
    const { chunkRecords = Math.ceil(HELD_RECORDS / log.partitions) } = deps;
    const files = places.map((_, partition) => createChunks(partial, partition, chunkRecords));
    let done = 0;
    for (const kind of ['waiting', 'state'] as const) {
      for await (const record of store.states.scan(kind)) {
        if (kind === 'state') fingerprints.add(fingerprintOf(record.value));
        await files[partitionOf(record.shard, log.partitions)]!.add(kind, record);
        if (++done % 1_000 === 0) deps.onProgress?.({ phase: 'snapshot', done, total: null });
      }
    }
    const partitions: PartitionManifest[] = [];
    for (const [partition, file] of files.entries()) partitions.push({ ...places[partition]!, ...(await file.end()) });
    const names = [...[...fingerprints].map(nameOfFeatureSet), ...(deps.blobNames ?? [])];
    const blobs = await copyBlobs(deps, names);
    // A rebuild that began meanwhile may have emptied what was still to be read.
    await refuseRebuilding(store);
    await writeManifest(partial, { format: 1, takenAt, epoch: log.epoch, partitions, blobs } satisfies Manifest);
    await rename(partial, dir);
    deps.onProgress?.({ phase: 'snapshot', done, total: done });
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
  return openSnapshot(dir);
};

const refuseRebuilding = async (store: FeatureStore): Promise<void> => {
  if (!(await isRebuilding(store.leases))) return;
  throw new AttuneError(
    'snapshot.rebuilding',
    'the feature store is being rebuilt, or a rebuild was broken off: it is not whole; finish `attune rebuild` first',
    {
      retriable: true,
    },
  );
};

/** Where the log stood, before the first value is read. */
const placeOf = async (log: EventLog, partition: number): Promise<Pick<PartitionManifest, 'replayFrom' | 'erasedBelow'>> => ({
  replayFrom: await committedOf(log, partition),
  erasedBelow: (await log.committed('state-erasures', TOPICS.erasures, partition)) ?? 0,
});

/** Of one partition. */
const createChunks = (dir: string, partition: number, chunkRecords: number) => {
  const counts = { state: 0, waiting: 0 };
  let chunks = 0;
  let chunk: ChunkRecord[] = [];
  const flush = async (): Promise<void> => {
    if (chunk.length > 0) await writeChunk(chunkPath(dir, partition, chunks++), chunk);
    chunk = [];
  };
  return {
    async add(kind: keyof typeof counts, { key, shard, value }: ChunkRecord): Promise<void> {
      counts[kind]++;
      chunk.push({ key, shard, value });
      if (chunk.length >= chunkRecords) await flush();
    },
    async end(): Promise<Pick<PartitionManifest, 'chunks' | 'states' | 'waiting'>> {
      await flush();
      return { chunks, states: counts.state, waiting: counts.waiting };
    },
  };
};

/** Where the group `state` would begin again; 0 where it never committed. */
export const committedOf = async (log: EventLog, partition: number): Promise<Offsets> => {
  const offsets: Partial<Record<Topic, number>> = {};
  for (const topic of STATE_INPUTS) offsets[topic] = (await log.committed('state', topic, partition)) ?? 0;
  return offsets;
};

const copyBlobs = async ({ log, store, root }: TakeSnapshotDeps, names: readonly string[]): Promise<Manifest['blobs']> => {
  const dir = join(root, BLOBS);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const blobs: { name: string | null; hash: string }[] = [];
  const keep = async (bytes: Buffer, name: string | null): Promise<void> => {
    const hash = createHash('sha256').update(bytes).digest('hex');
    if (!existsSync(join(dir, hash))) {
      await writeFile(join(dir, `${hash}.new`), bytes, { mode: 0o600, flush: true });
      await rename(join(dir, `${hash}.new`), join(dir, hash));
    }
    blobs.push({ name, hash });
  };
  for (const name of new Set(names)) {
    const bytes = await store.blobs.find(name);
    if (bytes !== null) await keep(bytes, name);
  }
  for (const hash of await announcedModels(log)) {
    const bytes = existsSync(join(dir, hash)) ? null : await store.blobs.get(hash);
    if (bytes !== null) await keep(bytes, null);
    else if (existsSync(join(dir, hash))) blobs.push({ name: null, hash });
  }
  return blobs;
};

const announcedModels = async (log: EventLog): Promise<Set<string>> => {
  const hashes = new Map<string, string>();
  const follower = log.follow([TOPICS.models], ({ key, value }) => {
    try {
      hashes.set((key ?? Buffer.alloc(0)).toString('hex'), modelCodec.decode(value).blob);
    } catch {
      // Serving tells of records that cannot be read.
    }
  });
  await follower.caughtUp;
  await follower.stop();
  return new Set(hashes.values());
};
