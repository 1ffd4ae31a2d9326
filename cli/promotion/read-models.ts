/** The registry as it stands on the log: each version with its artifacts, the snapshots that were kept, and who plays which role. */
import { TOPICS, modelCodec } from '#contracts';
import type { ModelRecord } from '#contracts';
import type { EventLog } from '#event-log';
import { createModelRoles, type ModelRoles } from '#models/registry';

export interface KnownVersion {
  readonly loop: string;
  readonly version: string;
  /** Names the blob of encoder and trunk; null until announced. */
  readonly root: ModelRecord | null;
  readonly newest: ModelRecord;
  /** Oldest first. */
  readonly kept: readonly ModelRecord[];
  readonly posterior: string | null;
  readonly posteriorUntil: number;
}

export interface Registry {
  readonly roles: ModelRoles;
  find(loop: string, version: string): KnownVersion | null;
}

export const readModels = async (log: Pick<EventLog, 'partitions' | 'offsets' | 'read'>): Promise<Registry> => {
  const roles = createModelRoles();
  const versions = new Map<string, KnownVersion>();
  for (let partition = 0; partition < log.partitions; partition++) {
    const { first, next } = await log.offsets(TOPICS.models, partition);
    for (let at = first; at < next;) {
      const records = await log.read(TOPICS.models, partition, at, 1_000);
      for (const { value } of records) {
        const record = modelCodec.decode(value);
        roles.follow(record);
        const key = `${record.loop}/${record.version}`;
        versions.set(key, withRecord(versions.get(key), record));
      }
      at = records.length === 0 ? next : records.at(-1)!.offset + 1;
    }
  }
  return { roles, find: (loop, version) => versions.get(`${loop}/${version}`) ?? null };
};

const withRecord = (known: KnownVersion | undefined, record: ModelRecord): KnownVersion => {
  const isKept = record.kept && record.snapshot > 0 && known?.kept.some(({ snapshot }) => snapshot === record.snapshot) !== true;
  return {
    loop: record.loop,
    version: record.version,
    root: record.snapshot === 0 ? record : (known?.root ?? null),
    newest: known === undefined || record.snapshot >= known.newest.snapshot ? record : known.newest,
    kept: [...(known?.kept ?? []), ...(isKept ? [record] : [])].toSorted((a, b) => a.at - b.at),
    posterior: record.posterior ?? known?.posterior ?? null,
    posteriorUntil: Math.max(record.posteriorUntil, known?.posteriorUntil ?? 0),
  };
};
