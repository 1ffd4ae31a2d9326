/** A model version that was made outside the learn role is handed over: its blobs first, then the record that names them, as a challenger. */
import { TOPICS, modelCodec } from '#contracts';
import type { Clock, ModelRecord } from '#contracts';
import type { EventLog } from '#event-log';
import type { FeatureStore } from '#feature-store';
import { createModelRoles } from '#models/registry';
import { announce } from './announce.ts';

export interface VersionToPublish {
  readonly loop: string;
  readonly version: string;
  readonly versionBlob: Uint8Array;
  /** A learner's checkpoint that holds every decision made before `posteriorUntilMs`; null: the learn role teaches it all that it has. */
  readonly posterior: Uint8Array | null;
  readonly posteriorUntilMs: number;
  readonly experiences: number;
  /** A page; null: there is none. */
  readonly report: string | null;
  /** Who made it of what, for people. */
  readonly note: string;
}

export interface PublishVersionDeps {
  readonly log: Pick<EventLog, 'append' | 'offsets' | 'read' | 'partitions'>;
  readonly blobs: FeatureStore['blobs'];
  readonly clock: Clock;
}

export interface KnownVersion {
  readonly loop: string;
  readonly version: string;
  readonly role: ModelRecord['role'];
  /** The newest; 0: none has been published yet. */
  readonly snapshot: number;
  readonly experiences: number;
  readonly at: number;
  /** Who made it or appointed it, and why. */
  readonly note: string;
}

/** The report's blob is found by this name. */
export const reportName = (version: string): string => `report/${version}`;

/** Where the version is known already it keeps its role, and only the report is new. Returns the role. */
export const publishVersion = async ({ log, blobs, clock }: PublishVersionDeps, made: VersionToPublish): Promise<ModelRecord['role']> => {
  if (made.report !== null) await blobs.put(Buffer.from(made.report, 'utf8'), reportName(made.version));
  const known = (await listModels(log)).find((model) => model.loop === made.loop && model.version === made.version);
  if (known !== undefined && known.role !== 'retired') return known.role;
  const record: ModelRecord = {
    loop: made.loop,
    version: made.version,
    snapshot: 0,
    role: 'challenger',
    blob: await blobs.put(made.versionBlob, `model/${made.version}`),
    at: clock(),
    experiences: made.experiences,
    watermark: 0,
    kept: true,
    note: made.note,
    checkpoint: null,
    checkpointAt: 0,
    roleAt: clock(),
    posterior: made.posterior === null ? null : await blobs.put(made.posterior),
    posteriorUntil: made.posterior === null ? 0 : made.posteriorUntilMs,
  };
  await log.append(announce(record));
  return 'challenger';
};

/** Every version that attune.models tells of, the newest first. */
export const listModels = async (log: Pick<EventLog, 'offsets' | 'read' | 'partitions'>): Promise<readonly KnownVersion[]> => {
  const roles = createModelRoles();
  const newest = new Map<string, ModelRecord>();
  const notes = new Map<string, string>();
  for (let partition = 0; partition < log.partitions; partition++) {
    const { first, next } = await log.offsets(TOPICS.models, partition);
    for (let at = first; at < next;) {
      const batch = await log.read(TOPICS.models, partition, at, 1_000);
      for (const { value } of batch) {
        const record = modelCodec.decode(value);
        const key = `${record.loop}/${record.version}`;
        roles.follow(record);
        if (record.note !== '') notes.set(key, record.note);
        if (record.snapshot >= (newest.get(key)?.snapshot ?? 0)) newest.set(key, record);
      }
      at = batch.length === 0 ? next : batch.at(-1)!.offset + 1;
    }
  }
  return [...newest]
    .map(([key, { loop, version, snapshot, experiences, at }]) => {
      return { loop, version, role: roles.role(loop, version)!, snapshot, experiences, at, note: notes.get(key) ?? '' };
    })
    .toSorted((a, b) => b.at - a.at);
};
