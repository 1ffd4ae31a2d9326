/** Announces models as learners and trainers do; for tests. */
import { TOPICS, modelCodec, shardOf, type ModelRecord } from '#contracts';
import type { EventLog } from '#event-log';
import type { FeatureStore } from '#feature-store';
import { compileEncoder, createLearner, type Learner, type Publication } from '#models';
import { loadProject } from '#project';
import { CATALOG_DIR } from './test-serving.ts';

export interface Stores {
  readonly log: Pick<EventLog, 'append'>;
  readonly store: Pick<FeatureStore, 'blobs'>;
}

/** Another seed, another version. */
export const catalogLearner = (seed: number): Learner =>
  createLearner({ encoder: compileEncoder(loadProject(CATALOG_DIR)), loop: '', seed });

export const announceModel = async (
  { log, store }: Stores,
  publication: Publication,
  role: ModelRecord['role'],
  more: Partial<ModelRecord> = {},
): Promise<ModelRecord> => {
  const { version, experiences } = publication;
  const base = { loop: '', version, role, at: Date.now(), experiences, watermark: 0, kept: true, note: '' } as const;
  const rest = { checkpoint: null, checkpointAt: 0, posterior: null, posteriorUntil: 0, roleAt: 0 } as const;
  let record: ModelRecord | null = null;
  for (const [snapshot, bytes] of [
    [0, publication.versionBlob],
    [publication.snapshot, publication.snapshotBlob],
  ] as const) {
    record = { ...base, ...rest, snapshot, blob: await store.blobs.put(bytes), ...more };
    const keys = snapshot === 0 ? [`/${version}/0`] : [`/${version}`, ...(record.kept ? [`/${version}/${snapshot}`] : [])];
    const value = modelCodec.encode(record);
    await log.append(keys.map((key) => ({ topic: TOPICS.models, shard: shardOf(''), key: Buffer.from(key), value })));
  }
  return record!;
};
