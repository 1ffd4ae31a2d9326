/** The feature store's port: customer state, timers, blobs, documents and reservations, on LMDB embedded or Redis in production. */
import type { Documents } from './documents.ts';
import type { Reservations } from './reservations.ts';

/** 16 bytes: a customer key, or a decision id (links from a decision to its customer, outcomes that wait for their decision). */
export type StateKey = Buffer;

export interface StateWrite {
  readonly key: StateKey;
  /** Null deletes. */
  readonly value: Buffer | null;
}

export interface CompanionWrite extends StateWrite {
  /** Present: the commit is refused unless exactly these bytes are there (null: nothing). */
  readonly expected?: Buffer | null;
}

/** One customer's step, all or nothing. */
export interface StateCommit extends StateWrite {
  /** Of the customer; a Redis hash tag, so that the companions live beside it. */
  readonly shard: number;
  /**
   * The position vector that was read: the first bytes of the value that this commit replaces. Null: there was no value.
   * Anything else there and the commit is refused, companions and timer included.
   */
  readonly expected: Buffer | null;
  /** Small records under decision ids that change with it. */
  readonly companions: readonly CompanionWrite[];
  /** The one timer of this key: `from` as it was (null: none), `to` as it shall be (null: none). */
  readonly timer: { readonly from: number | null; readonly to: number | null };
  /** An erasure: within seconds no byte of what it deletes is left in the store's files. */
  readonly wipe?: boolean;
}

export type CommitResult = 'committed' | 'refused';

export interface DueTimer {
  readonly key: StateKey;
  /** Under which the key was committed. */
  readonly shard: number;
  /** ms since 1970 UTC */
  readonly dueMs: number;
}

export interface States {
  /** Null: unknown. Rejects (or throws) EngineUnavailable when it could not be read: that is not the same. The bytes are the caller's. */
  read(key: StateKey, shard: number): Buffer | null | Promise<Buffer | null>;
  readMany(keys: readonly { readonly key: StateKey; readonly shard: number }[]): Promise<readonly (Buffer | null)[]>;
  /** Durable when resolved; one result a commit. Commits of one call must not share a key. */
  commit(commits: readonly StateCommit[]): Promise<readonly CommitResult[]>;
  /**
   * Every key, in no order, some perhaps twice; a value may be newer than the scan's beginning. With `kind` only states, or only what waits for
   * its decision, and no more is read than that takes. Rejects where keys may have been passed over, as while a cluster moves them. `shard` leads to the key in `read` and
   * `commit`: the one under which it was committed, or another that the store cannot tell from it (embedded: the partition's number).
   */
  scan(kind?: 'state' | 'waiting'): AsyncIterable<{ readonly key: StateKey; readonly shard: number; readonly value: Buffer }>;
}

export interface Timers {
  /** Timers due at or before `nowMs`, earliest first. They stay until a commit moves them. */
  due(partition: number, nowMs: number, limit: number): Promise<readonly DueTimer[]>;
}

export interface Blobs {
  /** SHA-256 in hex; storing the same bytes twice costs nothing. Durable when resolved, its name included. */
  put(bytes: Uint8Array, name?: string): Promise<string>;
  get(hash: string): Promise<Buffer | null>;
  /** The bytes that were first put under a name (a catalog's version, a fingerprint); null when none were. */
  find(name: string): Promise<Buffer | null>;
  /** For what is superseded and unnamed; nothing happens when it is not there. */
  remove(hash: string): Promise<void>;
}

export interface Requests {
  /**
   * The first caller with a request key owns it: returns the decision id (16 bytes) that is stored under it afterwards, the given
   * one or that of whoever came first. Forgotten after `ttlMs`.
   */
  claim(requestKey: Buffer, decisionId: Buffer, options: { nowMs: number; ttlMs: number }): Promise<Buffer>;
}

/** Who does what only one process may do: the learner, a rebuild. */
export interface Leases {
  /**
   * True: the owner holds the lease for `ttlMs` from now, whether it was free, run out, or its own already. False: another holds it.
   * @param owner unique for each holder; ends in nothing that another could be called
   */
  hold(name: string, owner: string, ttlMs: number): Promise<boolean>;
  /** Nothing happens when another holds it. */
  release(name: string, owner: string): Promise<void>;
  /** Null: nobody holds it at this moment. */
  holder(name: string): Promise<string | null>;
}

export interface FeatureStore {
  readonly states: States;
  readonly timers: Timers;
  readonly blobs: Blobs;
  readonly requests: Requests;
  readonly leases: Leases;
  readonly documents: Documents;
  readonly reservations: Reservations;
  /** 0 where what was acknowledged stays. Else: the death of the engine, or a change of its leader, may undo commits up to this old. */
  readonly mayLoseMs: number;
  /**
   * Called when commits of the last `mayLoseMs` may have been undone. Until every listener has resolved, `states.commit` and
   * `states.readMany` reject with EngineUnavailable, and so do `documents.due`, whatever writes documents, and `reservations.reserve`, so that
   * nothing is built on what was lost; `states.read`, `documents.get` and `documents.list` go on. Returns how to end it.
   */
  onLoss(listener: () => Promise<void>): () => void;
  /** Safe to call twice. */
  close(): Promise<void>;
}
