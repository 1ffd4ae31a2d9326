/** What the guard keeps of an action: its matured trials as counts, and how far the log has been counted. One document an action. */
import type { BackfireCounts } from '#models/backfire';

export const GUARD_KIND = 'guard';

/** The body, as JSON. */
export interface GuardDocument {
  readonly actionId: string;
  readonly counts: BackfireCounts;
  /** Of the log in whose life the offsets count. */
  readonly epoch: number;
  /** Next offset of attune.communications by partition: what lies below is counted. */
  readonly offsets: Readonly<Record<string, number>>;
  /** When the newest of the counted trials ended, ms since 1970 UTC. */
  readonly lastAtMs: number;
  /** Trials that ended at or before this were counted in another life of the log. */
  readonly countedUntilMs: number;
  /** Trials that were decided before this do not count: a person resumed the action then. */
  readonly sinceMs: number;
  /** Null: the guard has not paused it, or a person has resumed it. */
  readonly paused: Pause | null;
}

export interface Pause {
  readonly atMs: number;
  readonly reason: string;
  /** Of the controls that paused it; null: it is not known that they are in force, and they are written again. */
  readonly version: number | null;
}

export const newGuardDocument = (actionId: string, epoch: number): GuardDocument => ({
  actionId,
  counts: [],
  epoch,
  offsets: {},
  lastAtMs: 0,
  countedUntilMs: 0,
  sinceMs: 0,
  paused: null,
});

/** Positions of another life of the log say nothing in this one. */
export const inEpoch = (document: GuardDocument, epoch: number): GuardDocument =>
  document.epoch === epoch ? document : { ...document, epoch, offsets: {}, countedUntilMs: document.lastAtMs };
