/** The learner's own join of decisions and rewards in LMDB, changed only together with its checkpoint: statistics and offsets never disagree. */
import { mkdirSync } from 'node:fs';
import { removeWiped, wipeFreePages } from '#feature-store';
import { openSharedLmdb } from '#shared-lmdb';
import type { Superseded } from './model-board.ts';
import type { Intended } from './publisher.ts';

/** What one slot's rewards have come to, and what of it the learner has seen. */
export interface LearnedRow {
  readonly revision: number;
  readonly target: number | null;
  /** The target that the learner holds; null: it was never shown this slot. */
  readonly learned: number | null;
}

/** One decision and its slots; the decision is missing when its reward came first. */
export interface ExperienceRow {
  readonly decisionId: string;
  readonly decision: Buffer | null;
  readonly customerKey: string | null;
  /** By rank. */
  readonly rows: ReadonlyMap<number, LearnedRow>;
}

export interface ErasedCustomer {
  readonly customerKey: string;
  readonly erasedAtMs: number;
}

export interface LearnCheckpoint {
  /** Grows by one with each checkpoint; names the learners' files. */
  readonly sequence: number;
  readonly epoch: number;
  /** Next offset by "topic/partition". */
  readonly offsets: Readonly<Record<string, number>>;
  /** One entry a learner: its file and what the role knows of it. */
  readonly learners: readonly {
    readonly loop: string;
    readonly version: string;
    readonly file: string;
    readonly watermark: number;
    /** It learns beside the loop's own learner. */
    readonly challenger?: boolean;
  }[];
  /** Blobs of superseded snapshots and shared checkpoints that are still to be removed. */
  readonly superseded: readonly Superseded[];
  readonly atMs: number;
}

export interface ExperienceStore {
  read(decisionId: string): ExperienceRow | null;
  checkpoint(): LearnCheckpoint | null;
  /** What was about to be put into the feature store when this was last called. */
  intended(): readonly Intended[];
  /** Survives the process, not the machine: it is called for every snapshot. */
  intend(blobs: readonly Intended[]): void;
  /**
   * All or nothing, durable when resolved. Rows replace; an erased customer's rows, decided until then, go. Without a checkpoint the rows
   * are those of one that is still being rebuilt.
   */
  commit(change: {
    readonly rows: Iterable<ExperienceRow>;
    readonly erased: readonly ErasedCustomer[];
    readonly checkpoint: LearnCheckpoint | null;
  }): Promise<void>;
  /** Of a rebuild that did not come to its end: rows that no checkpoint speaks of. */
  clear(): void;
  /** Every row with its decision, oldest decision first. @param after a decision's id: only later ones */
  scan(after?: string): Iterable<ExperienceRow>;
  /** Decisions made before `timeMs` go. Returns how many. */
  sweep(timeMs: number, limit: number): Promise<number>;
  close(): Promise<void>;
}

const ROW = 0x01;
const BY_CUSTOMER = 0x02;
const META = Buffer.of(0x03);
const INTENDED = Buffer.of(0x04);
const NO_KEY = '0'.repeat(32);

export const openExperienceStore = ({ dir }: { readonly dir: string }): ExperienceStore => {
  mkdirSync(dir, { recursive: true });
  const db = openSharedLmdb({ path: dir, mapSize: 64 * 2 ** 30, maxReaders: 16 });
  let closed = false;
  let wiping: Promise<void> = Promise.resolve();
  let hasErased = false;

  const remove = (decisionId: string, customerKey: string): void => {
    db.removeSync(rowKey(decisionId));
    db.removeSync(customerIndexKey(customerKey, decisionId));
  };
  const range = (start: Buffer, end: Buffer, limit?: number) =>
    db.getRange({ start, end, snapshot: false, ...(limit === undefined ? {} : { limit }) });

  return {
    read(decisionId) {
      const value = db.get(rowKey(decisionId));
      return value === undefined ? null : decodeRow(decisionId, Buffer.from(value));
    },
    checkpoint() {
      const value = db.get(META);
      return value === undefined ? null : (JSON.parse(value.toString('utf8')) as LearnCheckpoint);
    },
    intended() {
      const value = db.get(INTENDED);
      return value === undefined ? [] : (JSON.parse(value.toString('utf8')) as Intended[]);
    },
    intend(blobs) {
      db.putSync(INTENDED, Buffer.from(JSON.stringify(blobs), 'utf8'));
    },
    async commit({ rows, erased, checkpoint }) {
      db.transactionSync(() => {
        for (const row of rows) {
          db.putSync(rowKey(row.decisionId), encodeRow(row));
          if (row.customerKey !== null) db.putSync(customerIndexKey(row.customerKey, row.decisionId), Buffer.alloc(0));
        }
        for (const { customerKey, erasedAtMs } of erased) {
          const keys = [...range(customerIndexKey(customerKey, NO_KEY), customerIndexKey(customerKey, firstIdAt(erasedAtMs + 1)))];
          for (const { key } of keys) {
            removeWiped(db, rowKey(key.toString('hex', 17)));
            db.removeSync(Buffer.from(key));
          }
        }
        if (checkpoint !== null) db.putSync(META, Buffer.from(JSON.stringify(checkpoint), 'utf8'));
      });
      await db.flushed;
      // At each start all erasures come again, so that one which a crash interrupted is wiped then.
      hasErased ||= erased.length > 0;
      if (erased.length > 0) wiping = wiping.then(() => wipeFreePages(db)).catch(() => undefined);
    },
    clear: () =>
      db.transactionSync(() => {
        for (const { key } of [...range(Buffer.of(ROW), META)]) db.removeSync(Buffer.from(key));
      }),
    *scan(after) {
      const start = after === undefined ? Buffer.of(ROW) : Buffer.concat([rowKey(after), Buffer.of(0)]);
      for (const { key, value } of range(start, Buffer.of(ROW + 1))) {
        const row = decodeRow(key.subarray(1).toString('hex'), Buffer.from(value));
        if (row.decision !== null) yield row;
      }
    },
    sweep(timeMs, limit) {
      const old = [...range(Buffer.of(ROW), rowKey(firstIdAt(timeMs)), limit)];
      if (old.length > 0) {
        db.transactionSync(() => {
          for (const { key, value } of old)
            remove(key.subarray(1).toString('hex'), decodeRow('', Buffer.from(value)).customerKey ?? NO_KEY);
        });
      }
      return Promise.resolve(old.length);
    },
    async close() {
      if (closed) return;
      closed = true;
      await wiping;
      // By now no reader holds a page back.
      if (hasErased) await wipeFreePages(db);
      await db.flushed;
      await db.close();
    },
  };
};

/** The lowest decision id of a moment: ids begin with their time. */
export const firstIdAt = (timeMs: number): string => Math.max(0, timeMs).toString(16).padStart(12, '0') + '0'.repeat(20);

const rowKey = (decisionId: string): Buffer => Buffer.concat([Buffer.of(ROW), Buffer.from(decisionId, 'hex')]);
const customerIndexKey = (customerKey: string, decisionId: string): Buffer =>
  Buffer.concat([Buffer.of(BY_CUSTOMER), Buffer.from(customerKey, 'hex'), Buffer.from(decisionId, 'hex')]);

const SLOT = 21;

const encodeRow = ({ rows, decision, customerKey }: ExperienceRow): Buffer => {
  const out = Buffer.alloc(17 + rows.size * SLOT + (decision?.length ?? 0));
  out.write(customerKey ?? NO_KEY, 0, 'hex');
  let at = out.writeUInt8(rows.size, 16);
  for (const [rank, row] of rows) {
    at = out.writeUInt8(rank, at);
    at = out.writeUInt32BE(row.revision, at);
    at = out.writeDoubleBE(row.target ?? NaN, at);
    at = out.writeDoubleBE(row.learned ?? NaN, at);
  }
  decision?.copy(out, at);
  return out;
};

const decodeRow = (decisionId: string, value: Buffer): ExperienceRow => {
  const rows = new Map<number, LearnedRow>();
  const slots = value.readUInt8(16);
  const orNull = (number: number): number | null => (Number.isNaN(number) ? null : number);
  for (let i = 0, at = 17; i < slots; i++, at += SLOT) {
    rows.set(value.readUInt8(at), {
      revision: value.readUInt32BE(at + 1),
      target: orNull(value.readDoubleBE(at + 5)),
      learned: orNull(value.readDoubleBE(at + 13)),
    });
  }
  const decision = value.subarray(17 + slots * SLOT);
  const customerKey = value.toString('hex', 0, 16);
  return { decisionId, rows, decision: decision.length === 0 ? null : decision, customerKey: customerKey === NO_KEY ? null : customerKey };
};
