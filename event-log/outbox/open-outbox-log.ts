/**
 * A log that goes on accepting when the log behind it does not answer: what comes then is written to this machine's disk, acknowledged
 * (law 3), and forwarded in order when the log is back. While all is well nothing is written here.
 */
import { mkdirSync } from 'node:fs';
import { COMPACTED_TOPICS, DAY_MS, EngineUnavailable, TOPICS, within } from '#contracts';
import type { AppendRecord, EventLog, LogRecord, Position } from '../port.ts';
import { refuseInvalid } from '../refuse-invalid.ts';
import { createDirectAppend } from './direct-append.ts';
import { createFindInOutbox } from './find-in-outbox.ts';
import { followLate } from './follow-late.ts';
import { Forwarder } from './forwarder.ts';
import { LateLog } from './late-log.ts';
import { SetAside } from './set-aside.ts';
import { Spool } from './spool.ts';
import { readLogIdentity, writeLogIdentity, type LogIdentity } from './log-identity.ts';
import { openTopicMemory } from './topic-memory.ts';
import type { OutboxLog, OutboxLogger } from './types.ts';

export interface OutboxLogOptions {
  /** Opens the log behind; tried again while it rejects with what may pass. */
  readonly openLog: () => Promise<EventLog>;
  /** On a disk that outlives the process; its processes may share it. */
  readonly dir: string;
  /** Of all files in `dir`; past it `accept` rejects `outbox.full`. Seen of other processes as of a second ago. */
  readonly maxBytes: number;
  /** As long as the log keeps its records: what it will never take is kept no longer. Default 30 days. */
  readonly keepMs?: number;
  /** How long the log may take before records go to the disk. Default 150. */
  readonly waitMs?: number;
  /** How long opening waits for the log before it goes on without. Default 5 s. */
  readonly patienceMs?: number;
  readonly clock?: () => number;
  readonly logger?: OutboxLogger;
}

const TEND_MS = 1_000;
/** How long `append` waits for what is before it, once the log takes records again. */
const DRAIN_MS = 2_000;
const SILENT: OutboxLogger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Throws when the log cannot be opened for a reason that time does not cure, or `dir` cannot be used. */
export const openOutboxLog = async (options: OutboxLogOptions): Promise<OutboxLog> => {
  const { dir, maxBytes, keepMs = 30 * DAY_MS, waitMs = 150, patienceMs = 5_000, clock = Date.now, logger = SILENT } = options;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const late = new LateLog({ openLog: options.openLog, logger });
  try {
    await late.within(patienceMs);
  } catch (error) {
    await late.close();
    throw error;
  }
  const setAside = new SetAside({ dir, keepMs, clock });
  const spool = new Spool({ dir, maxBytes, setAside, clock, logger });
  const forwarder = new Forwarder({ spool, log: (cancelled) => late.arrived(cancelled), clock, logger });
  const identity = (): LogIdentity => late.log ?? readLogIdentity(dir) ?? late.get();
  const keepIdentity = (log: EventLog | null): void => {
    if (log !== null) writeLogIdentity(dir, log);
  };
  void late
    .arrived(new AbortController().signal)
    .then(keepIdentity)
    .catch((error: unknown) => logger.warn(`what is known of the log cannot be kept in ${dir}: ${String(error)}`));
  const memory = openTopicMemory({ dir, logger });
  const inHand = new Set<Promise<unknown>>();
  let closing: Promise<void> | null = null;

  const tend = (): void => {
    try {
      spool.tend();
      setAside.tend();
      if (!spool.isEmpty) forwarder.wake();
    } catch (error) {
      logger.warn(`the outbox in ${dir} cannot be looked through: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  tend();
  const tending = setInterval(tend, TEND_MS);
  tending.unref();

  const onHeard = ({ topic, value }: LogRecord): void => {
    if (topic !== TOPICS.erasures) return;
    try {
      setAside.noteErasure(value);
    } catch (error) {
      logger.warn(`an erasure cannot be read: ${String(error)}`);
    }
  };

  const refuseClosed = (): void => {
    if (closing !== null) throw new EngineUnavailable('event-log', 'The log is closed.');
  };

  const direct = createDirectAppend({ spool, forwarder, waitMs, logger, inHand });

  const accept = async (records: readonly AppendRecord[]): Promise<void> => {
    refuseClosed();
    if (records.length === 0) return;
    if (records.some(({ topic }) => COMPACTED_TOPICS.includes(topic))) return void (await append(records));
    records.forEach(refuseInvalid);
    const { log } = late;
    if (log !== null && spool.isEmpty) return direct(log, records);
    const { durable } = spool.put(records);
    forwarder.wake();
    return durable;
  };

  const append = async (records: readonly AppendRecord[]): Promise<readonly Position[]> => {
    refuseClosed();
    if (records.length === 0) await within(DRAIN_MS, Promise.allSettled(inHand), undefined);
    if (forwarder.circuit === 'half-open') await forwarder.drained(DRAIN_MS);
    refuseClosed();
    if (!spool.isEmpty)
      throw new EngineUnavailable('event-log', `The event log does not answer, and ${spool.records} records wait for it in the outbox.`);
    return late.get().append(records);
  };

  const close = async (): Promise<void> => {
    clearInterval(tending);
    await within(DRAIN_MS, Promise.allSettled(inHand), undefined);
    if (forwarder.circuit === 'half-open') await forwarder.drained(DRAIN_MS);
    await forwarder.stop(DRAIN_MS);
    memory.close();
    await Promise.all([spool.close(), late.close()]);
  };

  return {
    get epoch() {
      return identity().epoch;
    },
    get partitions() {
      return identity().partitions;
    },
    get raisedAtMs() {
      return late.log?.raisedAtMs;
    },
    get formerPartitions() {
      return late.log?.formerPartitions;
    },
    append,
    accept,
    read: async (...args) => late.get().read(...args),
    offsets: async (...args) => late.get().offsets(...args),
    offsetAt: async (...args) => late.get().offsetAt(...args),
    consume: (consume) => late.get().consume(consume),
    follow: (topics, onRecord) => followLate({ late, memory, onHeard }, topics, onRecord),
    committed: async (...args) => late.get().committed(...args),
    lag: async (...args) => late.get().lag(...args),
    retain: async (retain) => late.get().retain(retain),
    close: () => (closing ??= close()),
    outbox: {
      status: () => ({
        circuit: late.log === null ? 'open' : forwarder.circuit,
        records: spool.records,
        bytes: spool.bytes,
        limitBytes: maxBytes,
        oldestMs: spool.oldestMs,
        forwarded: spool.forwarded,
        full: spool.full,
        refused: spool.refused,
      }),
      isInUse: () => late.log === null || !spool.isEmpty,
      remembersTopics: () => memory.isThere,
      find: createFindInOutbox(dir),
    },
  };
};
