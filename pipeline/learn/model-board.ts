/** What attune.models says: the newest snapshot of each version, who is champion, the shared checkpoint, and the blobs that nobody needs any more. */
import type { ModelRecord } from '#contracts';
import { createModelRoles } from '#models/registry';

export interface Posted {
  /** Null: no snapshot of the version is known. */
  readonly newest: ModelRecord | null;
  readonly announced: boolean;
  readonly keptAt: number;
  /** What its records must go on to say: the checkpoint that it started from. */
  readonly origin: Pick<ModelRecord, 'posterior' | 'posteriorUntil'>;
}

export interface Superseded {
  readonly blob: string;
  readonly kind: 'snapshot' | 'checkpoint';
  readonly atMs: number;
}

export interface SharedAt {
  readonly blob: string;
  readonly at: number;
}

export interface ModelBoard {
  /** In log order; what comes twice changes nothing. */
  follow(record: ModelRecord): void;
  posted(loop: string, version: string): Posted;
  champion(loop: string): string | null;
  /** Versions that were announced as challengers, or became champions, and did not retire: with the record that announced each. */
  contenders(): readonly ModelRecord[];
  /** Null: nobody has spoken of the version. */
  role(loop: string, version: string): ModelRecord['role'] | null;
  /** When that was given. */
  roleAt(loop: string, version: string): number;
  /** From now on the champion, whatever was said before: the records that say so follow. */
  crown(loop: string, version: string, nowMs: number): void;
  readonly shared: SharedAt | null;
  /** Oldest first; what is gone is taken out by `removed`. */
  superseded(): readonly Superseded[];
  /** What is superseded already stays as it is. */
  supersede(entry: Superseded): void;
  removed(blob: string): void;
  /** The store may have lost them: the versions are to be announced again. */
  doubtBlobs(): void;
}

interface Entry {
  newest: ModelRecord | null;
  announced: boolean;
  keptAt: number;
  origin: Posted['origin'];
  root: ModelRecord | null;
}

const NO_ORIGIN: Posted['origin'] = { posterior: null, posteriorUntil: 0 };

export const createModelBoard = (): ModelBoard => {
  const entries = new Map<string, Entry>();
  const roles = createModelRoles();
  const superseded = new Map<string, Superseded>();
  let shared: SharedAt | null = null;

  const entryOf = (loop: string, version: string): Entry => {
    const key = `${loop}/${version}`;
    let entry = entries.get(key);
    if (entry === undefined) entries.set(key, (entry = { newest: null, announced: false, keptAt: 0, origin: NO_ORIGIN, root: null }));
    return entry;
  };
  const supersede = (entry: Superseded): void => {
    if (!superseded.has(entry.blob)) superseded.set(entry.blob, entry);
  };

  /** A learner that was paused while another took over may speak late: its number is the lower one, and its snapshot is nobody's. */
  const followSnapshot = (entry: Entry, record: ModelRecord): void => {
    const { newest } = entry;
    if (newest !== null && newest.blob !== record.blob) {
      const loser = record.snapshot >= newest.snapshot ? newest : record;
      if (!loser.kept) supersede({ blob: loser.blob, kind: 'snapshot', atMs: record.at });
    }
    if (newest === null || record.snapshot >= newest.snapshot) {
      entry.newest = record;
      superseded.delete(record.blob);
    }
    if (record.kept) entry.keptAt = Math.max(entry.keptAt, record.at);
  };
  const followShared = ({ checkpoint, checkpointAt, at }: ModelRecord): void => {
    if (checkpoint === null || checkpointAt <= (shared?.at ?? 0)) return;
    if (shared !== null) supersede({ blob: shared.blob, kind: 'checkpoint', atMs: at });
    shared = { blob: checkpoint, at: checkpointAt };
  };

  return {
    follow(record) {
      const entry = entryOf(record.loop, record.version);
      if (record.posterior !== null) entry.origin = { posterior: record.posterior, posteriorUntil: record.posteriorUntil };
      if (record.snapshot === 0) {
        entry.announced = true;
        entry.root = record;
      } else followSnapshot(entry, record);
      roles.follow(record);
      followShared(record);
    },
    posted: entryOf,
    champion: (loop) => roles.champion(loop),
    contenders: () =>
      [...entries.values()].flatMap(({ root }) => {
        const role = root === null ? null : roles.role(root.loop, root.version);
        return role === 'challenger' || role === 'champion' ? [root!] : [];
      }),
    role: (loop, version) => roles.role(loop, version),
    roleAt: (loop, version) => roles.roleAt(loop, version),
    crown(loop, version, nowMs) {
      const roleAt = roles.nextRoleAt(loop, nowMs);
      roles.follow({ loop, version, role: 'champion', roleAt, at: roleAt });
    },
    get shared() {
      return shared;
    },
    superseded: () => [...superseded.values()],
    supersede,
    removed: (blob) => void superseded.delete(blob),
    doubtBlobs() {
      for (const entry of entries.values()) entry.announced = false;
    },
  };
};
