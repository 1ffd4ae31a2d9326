/** What the outbox in front of a distributed log promises, and what it tells of itself (law 3). */
import type { Topic } from '#contracts';
import type { EventLog } from '../port.ts';

/**
 * `closed`: records go straight to the log. `open`: the log does not answer, records wait on this machine's disk. `half-open`: the log
 * is being tried with the oldest of them.
 */
export type Circuit = 'closed' | 'open' | 'half-open';

/** Of this process; those of a machine's processes add up. */
export interface OutboxStatus {
  readonly circuit: Circuit;
  /** Records that were acknowledged and that the log has not confirmed. */
  readonly records: number;
  /** Of all files in the folder: not to be added up. Those of other processes as of a second ago. */
  readonly bytes: number;
  /** What they may reach before calls are refused. */
  readonly limitBytes: number;
  /** When the oldest waiting record was accepted, ms since 1970 UTC; null when none waits. */
  readonly oldestMs: number | null;
  /** Records that were written here and then confirmed by the log. */
  readonly forwarded: number;
  /** Calls that were refused because the disk's bound was reached. */
  readonly full: number;
  /** Records that the log will never take (too large for it, say): set aside in a file of their own. */
  readonly refused: number;
}

export interface Outbox {
  status(): OutboxStatus;
  /** True while records wait, or the log was never reached. */
  isInUse(): boolean;
  /** True when `follow` has delivered what an earlier process saw of controls, erasures and models. */
  remembersTopics(): boolean;
  /**
   * The value of the first record on this machine's disk, of any process, that is wanted. Null: none, or `cancelled` aborted first.
   * Reads the files that were written to since the window began, ten milliseconds for each eight megabytes.
   */
  find(wanted: Wanted, cancelled?: AbortSignal): Promise<Buffer | null>;
}

/** A record on the disk by its topic, when it was accepted, and what its value holds at a place that is known. */
export interface Wanted {
  readonly topic: Topic;
  /** Of the acceptance. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly holds: { readonly at: number; readonly bytes: Buffer };
}

/**
 * The log with an outbox. `accept` is what it is for: it resolves when the records are in the log or, where the log does not answer in
 * time, on this machine's disk, to be forwarded in order. Records of compacted topics steer every process: `accept` waits for the log
 * with them, as `append` does. While anything waits, `append` goes behind it, or rejects EngineUnavailable where the log is away.
 * `follow` delivers what was last seen here at once when the log is not there at the start; `caughtUp` waits for the log all the same.
 */
export interface OutboxLog extends EventLog {
  accept(records: Parameters<EventLog['append']>[0]): Promise<void>;
  readonly outbox: Outbox;
}

/** Where the outbox tells what an operator wants to know; pino's loggers fit. */
export interface OutboxLogger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}
