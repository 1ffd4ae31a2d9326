/** Publishes snapshots and shared checkpoints while this process is the learner, and removes what newer ones have replaced. */
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#contracts';
import type { Clock, ModelRecord } from '#contracts';
import type { EventLog } from '#event-log';
import type { FeatureStore } from '#feature-store';
import { announce } from './announce.ts';
import type { LearnerSlot } from './learner-slot.ts';
import type { ModelBoard, Superseded } from './model-board.ts';
import { packShared, putShared, removeShared, sha256 } from './shared-checkpoint.ts';

export type Intended = Pick<Superseded, 'blob' | 'kind'>;

export interface PublisherDeps {
  readonly log: Pick<EventLog, 'append' | 'epoch'>;
  readonly store: Pick<FeatureStore, 'blobs' | 'mayLoseMs'>;
  readonly board: ModelBoard;
  readonly clock: Clock;
  /** False: another may be the learner by now, and nothing is said any more. */
  readonly mayPublish: () => boolean;
  /** Survives this process: what is about to be put, and belongs to nobody unless the log names it. */
  readonly intend: (blobs: readonly Intended[]) => void;
}

export interface Publisher {
  /** From now on numbers leave a gap to whatever was published before; all that is published in this office is known as its own; versions are announced again. */
  takeOffice(): Promise<void>;
  /** Rejects, and the slot stays to be published, when the log or the store does not take it. */
  publish(slot: LearnerSlot): Promise<void>;
  /** The version steps back; what it was last stays for rolling back to. */
  retire(loop: string, version: string, note: string): Promise<void>;
  /** Puts a checkpoint where every machine can read it; the records that follow name it once the store cannot lose it any more. */
  share(offsets: Readonly<Record<string, number>>, slots: Iterable<LearnerSlot>, challengers: Iterable<LearnerSlot>): Promise<void>;
  readonly sharedAt: number;
  /** A shared checkpoint waits for a record that names it. */
  readonly hasNews: boolean;
  isOwn(record: ModelRecord): boolean;
  removeSuperseded(): Promise<void>;
  readonly metrics: { snapshots: number; publishMs: number; shared: number; sharedBytes: number };
}

/** Readers of a snapshot or checkpoint that was just replaced have this long to load it. */
const SUPERSEDED_MS = 2 * MINUTE_MS;
/**
 * Between the snapshots of one learner and the next. A learner that was paused while it published may say a few more when it wakes; they
 * fall into the gap, where followers ignore them, and no number is ever given twice.
 */
export const GAP = 1_000;
const OWN_REMEMBERED = 5_000;

/** The first of a loop is its champion; a challenger stays one until an operator or the gate says otherwise. */
/** As it was given; a loop's first model gives itself the first. What nobody gave a role while another reigns stands behind all. */
const roleOf = (board: ModelBoard, { loop, version }: LearnerSlot['learner'], nowMs: number): Pick<ModelRecord, 'role' | 'roleAt'> => {
  if (board.champion(loop) === null && board.role(loop, version) === null) return { role: 'champion', roleAt: nowMs };
  return { role: board.role(loop, version) ?? 'retired', roleAt: board.roleAt(loop, version) };
};

export const createPublisher = ({ log, store, board, clock, mayPublish, intend }: PublisherDeps): Publisher => {
  const { blobs } = store;
  const metrics = { snapshots: 0, publishMs: 0, shared: 0, sharedBytes: 0 };
  let own = new Set<string>();
  /** Versions of which this office has published. */
  let begun = new Set<string>();
  let pending: { readonly blob: string; readonly at: number; readonly readyMs: number } | null = null;
  let sharedAt = 0;

  const nameable = (): { readonly checkpoint: string | null; readonly checkpointAt: number } => {
    if (pending !== null && clock() >= pending.readyMs) return { checkpoint: pending.blob, checkpointAt: pending.at };
    return { checkpoint: board.shared?.blob ?? null, checkpointAt: board.shared?.at ?? 0 };
  };
  const intendNow = (snapshot: string | null): void =>
    intend([
      ...(snapshot === null ? [] : [{ blob: snapshot, kind: 'snapshot' as const }]),
      ...(pending === null ? [] : [{ blob: pending.blob, kind: 'checkpoint' as const }]),
    ]);
  const remember = (blob: string): void => {
    own.add(blob);
    if (own.size > OWN_REMEMBERED) own.delete(own.values().next().value!);
  };

  return {
    metrics,
    get sharedAt() {
      return Math.max(sharedAt, board.shared?.at ?? 0);
    },
    get hasNews() {
      return pending !== null && clock() >= pending.readyMs;
    },
    async takeOffice() {
      own = new Set();
      begun = new Set();
      // The log tells that a version was announced, not that the store still has it.
      board.doubtBlobs();
      if (pending !== null) await removeShared(blobs, pending.blob, board.shared?.blob ?? null);
      pending = null;
    },
    isOwn: ({ blob }) => own.has(blob),

    async publish(slot) {
      const { learner, watermark } = slot;
      const startMs = performance.now();
      const { newest, announced, keptAt, origin } = board.posted(learner.loop, learner.version);
      const gap = newest === null || begun.has(learner.version) ? 0 : GAP - 1;
      slot.dirty = slot.unsolved = false;
      let put: string | null = null;
      try {
        const publication = learner.publish((newest?.snapshot ?? 0) + gap);
        const at = clock();
        const kept = at - keptAt >= HOUR_MS;
        const name = nameable();
        const record: ModelRecord = {
          loop: learner.loop,
          version: publication.version,
          snapshot: publication.snapshot,
          ...roleOf(board, learner, at),
          blob: sha256(publication.snapshotBlob),
          at,
          experiences: publication.experiences,
          watermark,
          kept,
          note: slot.note,
          ...origin,
          ...name,
        };
        intendNow(record.blob);
        put = await blobs.put(publication.snapshotBlob);
        const records = [record];
        if (!announced) {
          const versionBlob = await blobs.put(publication.versionBlob, `model/${publication.version}`);
          records.unshift({ ...record, snapshot: 0, blob: versionBlob, kept: true });
        }
        if (!mayPublish()) {
          slot.dirty = true;
          await blobs.remove(record.blob);
          intendNow(null);
          return;
        }
        begun.add(learner.version);
        remember(record.blob);
        await log.append(records.flatMap(announce));
        for (const announcement of records) board.follow(announcement);
        if (pending !== null && name.checkpoint === pending.blob) pending = null;
        intendNow(null);
        slot.note = '';
        slot.publishedAt = slot.solvedAt = at;
        slot.publishMs = performance.now() - startMs;
        metrics.snapshots++;
        metrics.publishMs = slot.publishMs;
      } catch (error) {
        slot.dirty = true;
        // The log may have it all the same; then it is the newest for a moment, and replaced by the next one.
        if (put !== null) board.supersede({ blob: put, kind: 'snapshot', atMs: clock() });
        throw error;
      }
    },

    async retire(loop, version, note) {
      const { newest } = board.posted(loop, version);
      if (newest === null || !mayPublish()) return;
      const record: ModelRecord = { ...newest, role: 'previous', kept: true, at: clock(), note };
      remember(record.blob);
      await log.append(announce(record));
      board.follow(record);
    },

    async share(offsets, slots, challengers) {
      const at = Math.max(clock(), (board.shared?.at ?? 0) + 1);
      const bytesOf = ({ learner, watermark }: LearnerSlot) => ({
        loop: learner.loop,
        version: learner.version,
        bytes: learner.checkpoint(),
        watermark,
      });
      const learners = [...[...slots].map(bytesOf), ...[...challengers].map((slot) => ({ ...bytesOf(slot), challenger: true }))];
      // Of one moment: nothing has waited since the offsets were read.
      const { list, hash } = packShared({ epoch: log.epoch, atMs: at, offsets: { ...offsets } }, learners);
      if (pending !== null) await removeShared(blobs, pending.blob, hash);
      pending = { blob: hash, at, readyMs: Infinity };
      intendNow(null);
      await putShared(blobs, list, learners);
      pending = { ...pending, readyMs: clock() + (store.mayLoseMs > 0 ? store.mayLoseMs + SECOND_MS : 0) };
      sharedAt = at;
      metrics.shared++;
      metrics.sharedBytes = learners.reduce((sum, { bytes }) => sum + bytes.length, 0);
    },

    async removeSuperseded() {
      for (const { blob, kind, atMs } of board.superseded()) {
        if (atMs > clock() - SUPERSEDED_MS) return;
        if (!mayPublish()) return;
        await (kind === 'snapshot' ? blobs.remove(blob) : removeShared(blobs, blob, board.shared?.blob ?? null));
        board.removed(blob);
      }
    },
  };
};
