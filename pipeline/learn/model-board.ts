/** What attune.models says: the newest snapshot of each version, who is champion, the shared checkpoint, and the blobs that nobody needs any more. */
import type { ModelRecord } from '#contracts';

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
  /** By the newest word on the version; null: none was spoken. */
  role(loop: string, version: string): ModelRecord['role'] | null;
  /** By whatever word: the records that say so follow. */
  crown(loop: string, version: string): void;
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
  role: ModelRecord['role'] | null;
  roleAt: number;
}

const NO_ORIGIN: Posted['origin'] = { posterior: null, posteriorUntil: 0 };

export const createModelBoard = (): ModelBoard => {
  const entries = new Map<string, Entry>();
  const champions = new Map<string, { version: string; at: number }>();
  const superseded = new Map<string, Superseded>();
  let shared: SharedAt | null = null;

  const entryOf = (loop: string, version: string): Entry => {
    const key = `${loop}/${version}`;
    let entry = entries.get(key);
    if (entry === undefined)
      entries.set(key, (entry = { newest: null, announced: false, keptAt: 0, origin: NO_ORIGIN, root: null, role: null, roleAt: 0 }));
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
  const followRole = ({ loop, version, role, note, at }: ModelRecord): void => {
    const champion = champions.get(loop);
    // Only an operator's word, or a later record, makes another version the champion.
    if (role === 'champion') {
      if (champion === undefined || note !== '' || at >= champion.at) champions.set(loop, { version, at });
    } else if (champion?.version === version && note !== '') champions.delete(loop);
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
      const late = record.snapshot > 0 && record.snapshot < (entry.newest?.snapshot ?? 0);
      if (record.snapshot === 0) {
        entry.announced = true;
        entry.root = record;
      } else followSnapshot(entry, record);
      if (!late || record.note !== '') {
        // What was on its way when an operator spoke does not undo it.
        if (record.note !== '' || record.at >= entry.roleAt) {
          entry.role = record.role;
          entry.roleAt = record.at;
        }
        followRole(record);
      }
      followShared(record);
    },
    posted: entryOf,
    champion: (loop) => champions.get(loop)?.version ?? null,
    contenders: () =>
      [...entries.values()].flatMap(({ root, role }) => (root !== null && (role === 'challenger' || role === 'champion') ? [root] : [])),
    role: (loop, version) => entryOf(loop, version).role,
    crown: (loop, version) => void champions.set(loop, { version, at: champions.get(loop)?.at ?? 0 }),
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
