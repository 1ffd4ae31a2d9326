/** The learners as of one moment, in blobs that every machine can read: from here a learner without files of its own goes on. */
import { hash } from 'node:crypto';
import { AttuneError } from '#contracts';
import type { FeatureStore } from '#feature-store';

type Blobs = FeatureStore['blobs'];

export interface SharedCheckpoint {
  readonly epoch: number;
  readonly atMs: number;
  /** Next offset by "topic/partition". */
  readonly offsets: Readonly<Record<string, number>>;
  readonly learners: readonly {
    readonly loop: string;
    readonly version: string;
    readonly blob: string;
    readonly watermark: number;
    readonly challenger?: boolean;
  }[];
}

export interface LearnerBytes {
  readonly loop: string;
  readonly version: string;
  readonly bytes: Uint8Array;
  readonly watermark: number;
  readonly challenger?: boolean;
}

/** The list and its blob's hash, before anything is put. */
export const packShared = (
  moment: Omit<SharedCheckpoint, 'learners'>,
  learners: readonly LearnerBytes[],
): { readonly list: Buffer; readonly hash: string } => {
  const checkpoint: SharedCheckpoint = { ...moment, learners: learners.map(({ bytes, ...of }) => ({ ...of, blob: sha256(bytes) })) };
  const list = Buffer.from(JSON.stringify(checkpoint), 'utf8');
  return { list, hash: sha256(list) };
};

/** The list goes first: whoever finds it without some of its blobs can still remove them all. */
export const putShared = async (blobs: Blobs, list: Buffer, learners: readonly LearnerBytes[]): Promise<void> => {
  await blobs.put(list);
  for (const { bytes } of learners) await blobs.put(bytes);
};

/** Null: it is not in the store. */
export const readShared = async (blobs: Blobs, blob: string): Promise<SharedCheckpoint | null> => {
  const bytes = await blobs.get(blob);
  return bytes === null ? null : (JSON.parse(bytes.toString('utf8')) as SharedCheckpoint);
};

export const learnerOfShared = async (blobs: Blobs, { loop, blob }: SharedCheckpoint['learners'][number]): Promise<Buffer> => {
  const bytes = await blobs.get(blob);
  if (bytes === null)
    throw new AttuneError('learner.checkpoint-gone', `the shared checkpoint names blob ${blob} for loop "${loop}", which is gone`);
  return bytes;
};

/** All that the present one does not use too; the list goes last, so that a removal that was interrupted is done again. */
export const removeShared = async (blobs: Blobs, gone: string, present: string | null): Promise<void> => {
  const old = await readShared(blobs, gone);
  if (old === null) return;
  const used = present === null ? null : await readShared(blobs, present);
  const stays = new Set(used?.learners.map(({ blob }) => blob));
  for (const { blob } of old.learners) if (!stays.has(blob)) await blobs.remove(blob);
  await blobs.remove(gone);
};

/** As the store names blobs. */
export const sha256 = (bytes: Uint8Array): string => hash('sha256', bytes, 'hex');
