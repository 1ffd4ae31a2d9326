/** Brings what waits on the disk into the log, in order, as soon as the log takes it. */
import { within } from '#contracts';
import { sleep } from '../backoff.ts';
import { decodeEntry, endOfEntry, type JournalEntry } from '../lmdb/journal-entry.ts';
import type { AppendRecord, EventLog } from '../port.ts';
import { mayPass } from './may-pass.ts';
import type { Entry, Segment } from './segment.ts';
import type { Spool } from './spool.ts';
import type { Circuit, OutboxLogger } from './types.ts';

export interface ForwarderDeps {
  readonly spool: Spool;
  /** Rejects never: resolves when the log is there, or with null when `cancelled` aborts first. */
  readonly log: (cancelled: AbortSignal) => Promise<Pick<EventLog, 'append'> | null>;
  readonly clock: () => number;
  readonly logger: OutboxLogger;
}

interface Load {
  readonly segment: Segment;
  readonly entries: readonly Entry[];
  readonly records: readonly AppendRecord[];
}

const FIRST_BACKOFF_MS = 100;
const LAST_BACKOFF_MS = 1_000;
const MOST_RECORDS = 500;
const MOST_BYTES = 1_000_000;
/** A first attempt of the log's that has not ended after this long is no longer waited for: the records may be there twice. */
const LATE_MS = 15_000;

export class Forwarder {
  readonly #deps: ForwarderDeps;
  readonly #cancel = new AbortController();
  #running: Promise<void> | null = null;
  #state: Exclude<Circuit, 'closed'> = 'half-open';
  #listeners: (() => void)[] = [];

  constructor(deps: ForwarderDeps) {
    this.#deps = deps;
  }

  get circuit(): Circuit {
    return this.#deps.spool.isEmpty ? 'closed' : this.#state;
  }

  /** To be called whenever something waits. */
  wake(): void {
    if (this.#cancel.signal.aborted) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      if (!this.#deps.spool.isEmpty) this.wake();
    });
  }

  /** Resolves when nothing waits, or `ms` have passed. */
  async drained(ms: number): Promise<void> {
    if (this.#deps.spool.isEmpty) return;
    this.wake();
    const done = Promise.withResolvers<void>();
    this.#listeners.push(done.resolve);
    await within(ms, done.promise, undefined);
  }

  /** The attempt in hand is not waited for longer than `ms`. */
  async stop(ms: number): Promise<void> {
    this.#cancel.abort();
    await within(ms, this.#running ?? Promise.resolve(), undefined);
  }

  async #run(): Promise<void> {
    // What called this is still at its books.
    await Promise.resolve();
    const { spool, clock, logger } = this.#deps;
    const { signal } = this.#cancel;
    const since = spool.oldestMs ?? clock();
    const before = spool.forwarded;
    for (let backoffMs = FIRST_BACKOFF_MS; !signal.aborted;) {
      let forwarded;
      try {
        forwarded = await this.#forwardOldest();
      } catch (error) {
        if (this.#state === 'half-open') logger.warn(`the event log does not take what waits: ${messageOf(error)}`);
        this.#state = 'open';
        await sleep(backoffMs, signal);
        backoffMs = Math.min(2 * backoffMs, LAST_BACKOFF_MS);
        continue;
      }
      if (!forwarded) break;
      backoffMs = FIRST_BACKOFF_MS;
      this.#state = 'half-open';
    }
    this.#state = 'half-open';
    if (!spool.isEmpty) return;
    for (const tell of this.#listeners.splice(0)) tell();
    const seconds = ((clock() - since) / 1_000).toFixed(1);
    logger.info(`the outbox is empty: the event log took ${spool.forwarded - before} records; the oldest had waited ${seconds} s`);
  }

  /** False when nothing waits. Rejects when the log does not take it. */
  async #forwardOldest(): Promise<boolean> {
    const { spool } = this.#deps;
    const log = await this.#deps.log(this.#cancel.signal);
    const oldest = spool.oldest();
    if (log === null || oldest === null) return false;
    const { segment, entries } = oldest;
    await settled(entries[0]!);
    if (entries[0]!.delivered) return true;
    const load = await this.#load(segment, entries);
    if (load.entries.length === 0) return true;
    try {
      await log.append(load.records);
    } catch (error) {
      if (mayPass(error)) throw error;
      await this.#forwardOneByOne(log, load);
      return true;
    }
    for (const entry of load.entries) spool.delivered({ segment, entry });
    segment.noteProgress();
    return true;
  }

  /** As many as a call may hold, up to the first whose own attempt is still open; read from the disk at once. */
  async #load(segment: Segment, entries: readonly Entry[]): Promise<Load> {
    const taken: Entry[] = [];
    let count = 0;
    for (const entry of entries) {
      const bytes = entry.end - entries[0]!.at;
      if (taken.length > 0 && (entry.late !== null || count + entry.records > MOST_RECORDS || bytes > MOST_BYTES)) break;
      taken.push(entry);
      count += entry.records;
    }
    const records: AppendRecord[] = [];
    const sound: Entry[] = [];
    const span = await segment.readBytes(taken[0]!.at, taken.at(-1)!.end);
    for (const entry of taken) {
      const found = entryIn(span, entry.at - taken[0]!.at, entry.end - taken[0]!.at);
      if (found === null) {
        await this.#deps.spool.setAside({ segment, entry }, `the disk gave back something else than was written`);
        continue;
      }
      sound.push(entry);
      records.push(...found.records);
    }
    return { segment, entries: sound, records };
  }

  /** One of them is refused for ever; which one, only trying tells. */
  async #forwardOneByOne(log: Pick<EventLog, 'append'>, { segment, entries }: Load): Promise<void> {
    for (const entry of entries) {
      try {
        await log.append(decodeEntry(await segment.readBytes(entry.at, entry.end)).records);
      } catch (error) {
        if (mayPass(error)) throw error;
        await this.#deps.spool.setAside({ segment, entry }, messageOf(error));
        continue;
      }
      this.#deps.spool.delivered({ segment, entry });
    }
    segment.noteProgress();
  }
}

const entryIn = (span: Buffer, at: number, end: number): JournalEntry | null =>
  endOfEntry(span, at) === end ? decodeEntry(span.subarray(at, end)) : null;

const settled = async (entry: Entry): Promise<void> => {
  if (entry.late === null) return;
  await within(LATE_MS, entry.late, undefined);
  entry.late = null;
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
