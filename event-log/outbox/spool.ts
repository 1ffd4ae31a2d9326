/** The records that wait on this machine's disk for the log, oldest first, bounded in bytes. */
import { readdirSync, renameSync, statSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { AttuneError } from '#contracts';
import { encodeEntry } from '../lmdb/journal-entry.ts';
import type { AppendRecord } from '../port.ts';
import { isGone, ownerTag } from './owner.ts';
import { Segment, type Entry } from './segment.ts';
import { parseSegmentName, segmentFileName, type SegmentName } from './segment-name.ts';
import type { SetAside } from './set-aside.ts';
import type { OutboxLogger } from './types.ts';

export interface SpoolDeps {
  readonly dir: string;
  readonly maxBytes: number;
  readonly setAside: SetAside;
  readonly clock: () => number;
  readonly logger: OutboxLogger;
}

/** An entry, and the segment that it lies in. */
export interface Waiting {
  readonly segment: Segment;
  readonly entry: Entry;
}

const SEGMENT_BYTES = 8_000_000;
/** A live owner touches its files every second or so; in another container their age is all that can be seen of it. */
const ABANDONED_MS = 20_000;
/** A disk that has just refused is not asked for every request. */
const REST_MS = 1_000;

/** Openings of this process, so that the segments of a closed one are told from those of a living one. */
const openHere = new Set<string>();

export class Spool {
  readonly #deps: SpoolDeps;
  readonly #owner = ownerTag();
  readonly #box = randomUUID().replaceAll('-', '').slice(0, 16);
  /** Adopted ones first; the last one may be open. */
  #segments: Segment[] = [];
  #files = 0;
  #number = 0;
  #waitingRecords = 0;
  #waitingEntries = 0;
  #othersBytes = 0;
  #refusal: { readonly atMs: number; readonly cause: unknown } | null = null;
  forwarded = 0;
  full = 0;
  refused = 0;

  constructor(deps: SpoolDeps) {
    this.#deps = deps;
    openHere.add(this.#box);
  }

  get isEmpty(): boolean {
    return this.#waitingEntries === 0;
  }

  get records(): number {
    return this.#waitingRecords;
  }

  /** Of all files in the folder, those of others as of a second ago. */
  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.size, this.#othersBytes + this.#deps.setAside.bytes);
  }

  get oldestMs(): number | null {
    for (const segment of this.#segments) {
      const head = segment.head();
      if (head !== undefined) return head.acceptedAtMs;
    }
    return null;
  }

  /**
   * Written at once, so that whatever comes later goes behind it; `durable` resolves when it is on the disk.
   * Throws `outbox.full` at the bound, `outbox.unwritable` when the disk refuses.
   */
  put(records: readonly AppendRecord[], late: Promise<unknown> | null = null): Waiting & { readonly durable: Promise<void> } {
    const { clock } = this.#deps;
    const acceptedAtMs = clock();
    const bytes = encodeEntry({ number: (this.#number += 1), acceptedAtMs, records });
    this.#refuseBeyondBound(bytes.length);
    this.#refuseWhileItRests(acceptedAtMs);
    const waiting = this.#write(bytes, { records: records.length, acceptedAtMs, late });
    return { ...waiting, durable: this.#durable(waiting, bytes) };
  }

  /** The log has it. */
  delivered({ entry }: Waiting): void {
    if (entry.delivered) return;
    entry.delivered = true;
    this.#waitingEntries -= 1;
    this.#waitingRecords -= entry.records;
    this.forwarded += entry.records;
  }

  /** The oldest that wait, all of one segment; empty when nothing waits. */
  oldest(): { readonly segment: Segment; readonly entries: readonly Entry[] } | null {
    for (let segment = this.#segments[0]; segment !== undefined; segment = this.#segments[0]) {
      if (!segment.isEmpty && segment.isStillHere()) return { segment, entries: segment.pending() };
      if (!segment.isEmpty) this.#letGo(segment);
      segment.close({ unlink: true });
      this.#segments.shift();
    }
    return null;
  }

  /** The log will never take it, and it must not hold back what comes after. */
  async setAside(waiting: Waiting, reason: string): Promise<void> {
    const path = this.#deps.setAside.add(await waiting.segment.readBytes(waiting.entry.at, waiting.entry.end));
    this.refused += waiting.entry.records;
    this.forwarded -= waiting.entry.records;
    this.delivered(waiting);
    this.#deps.logger.error(`${waiting.entry.records} records of the outbox were set aside in ${path}, for ${reason}`);
  }

  /**
   * Takes over what dead processes left, tells the living that this one lives, and sees how much the others hold.
   * To be called at the start and every second.
   */
  tend(): void {
    this.#segments.at(-1)?.touch(this.#deps.clock());
    const others = Map.groupBy(this.#filesOfOthers(), ({ name }) => `${name.owner}~${name.box}`);
    let othersBytes = 0;
    for (const files of others.values()) {
      const isOrphan = this.#isOrphan(files[0]!.name, Math.max(...files.map(({ touchedMs }) => touchedMs)));
      for (const { file, name, bytes } of files) {
        if (!isOrphan || !this.#adopt(file, name)) othersBytes += bytes;
      }
    }
    this.#othersBytes = othersBytes;
  }

  /** Leaves what waits on the disk, for whoever opens the outbox next. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#segments.filter((segment) => !segment.isEmpty).map((segment) => segment.sync()));
    for (const segment of this.#segments.splice(0)) {
      segment.noteProgress();
      segment.close({ unlink: segment.isEmpty });
    }
    openHere.delete(this.#box);
  }

  #refuseBeyondBound(bytes: number): void {
    const { maxBytes, dir } = this.#deps;
    if (this.bytes + bytes <= maxBytes) return;
    this.full += 1;
    const since = this.oldestMs === null ? '' : ` since ${new Date(this.oldestMs).toISOString()}`;
    throw new AttuneError(
      'outbox.full',
      `the event log does not answer${since}, and the outbox in ${dir} holds the ${Math.round(maxBytes / 1_000_000)} MB that it may`,
      { retriable: true },
    );
  }

  #write(bytes: Buffer, entry: Pick<Entry, 'records' | 'acceptedAtMs' | 'late'>): Waiting {
    try {
      const segment = this.#openSegment();
      const written = segment.write(bytes, entry);
      this.#waitingEntries += 1;
      this.#waitingRecords += entry.records;
      return { segment, entry: written };
    } catch (cause) {
      this.#dropEmpty();
      throw this.#refusedBy(cause);
    }
  }

  #refusedBy(cause: unknown): AttuneError {
    this.#refusal = { atMs: this.#deps.clock(), cause };
    return unwritable(this.#deps.dir, cause);
  }

  #refuseWhileItRests(nowMs: number): void {
    if (this.#refusal === null) return;
    const { atMs, cause } = this.#refusal;
    if (Math.abs(nowMs - atMs) < REST_MS) throw unwritable(this.#deps.dir, cause);
    this.#refusal = null;
  }

  /** The last segment, where nothing waits in it: a full disk can do without. */
  #dropEmpty(): void {
    const last = this.#segments.at(-1);
    if (last?.isEmpty !== true) return;
    last.close({ unlink: true });
    this.#segments.pop();
  }

  async #durable({ segment, entry }: Waiting, bytes: Buffer): Promise<void> {
    try {
      await segment.sync();
    } catch (cause) {
      if (entry.delivered && entry.lost !== true) return;
      throw this.#refusedBy(cause);
    }
    // This process slept for so long that another took the file over, perhaps before the entry was in it.
    if (entry.lost !== true && (entry.delivered || segment.isStillHere())) return;
    const again = this.#write(bytes, { records: entry.records, acceptedAtMs: entry.acceptedAtMs, late: null });
    await this.#durable(again, bytes);
  }

  #openSegment(): Segment {
    const last = this.#segments.at(-1);
    if (last !== undefined && last.isOpen && last.size < SEGMENT_BYTES && last.isStillHere()) return last;
    last?.seal();
    const segment = Segment.create(join(this.#deps.dir, this.#nextName(this.#deps.clock())));
    this.#segments.push(segment);
    return segment;
  }

  #nextName(openedAtMs: number): string {
    return segmentFileName({ owner: this.#owner, box: this.#box, index: (this.#files += 1), openedAtMs });
  }

  #filesOfOthers(): { file: string; name: SegmentName; bytes: number; touchedMs: number }[] {
    return readdirSync(this.#deps.dir)
      .toSorted()
      .flatMap((file) => {
        const name = parseSegmentName(file);
        if (name === null || (name.owner === this.#owner && name.box === this.#box)) return [];
        const stat = statSync(join(this.#deps.dir, file), { throwIfNoEntry: false });
        return stat === undefined ? [] : [{ file, name, bytes: stat.size, touchedMs: stat.mtimeMs }];
      });
  }

  /** @param touchedMs of the file that its owner touched last */
  #isOrphan({ owner, box }: SegmentName, touchedMs: number): boolean {
    if (owner === this.#owner) return !openHere.has(box);
    return isGone(owner) || this.#deps.clock() - touchedMs > ABANDONED_MS;
  }

  /** Renaming decides between two adopters: it succeeds once. False: it is not ours. */
  #adopt(file: string, { openedAtMs }: SegmentName): boolean {
    const { dir, logger } = this.#deps;
    const path = join(dir, this.#nextName(openedAtMs));
    try {
      renameSync(join(dir, file), path);
    } catch {
      return false;
    }
    let adopted: ReturnType<typeof Segment.adopt>;
    try {
      adopted = Segment.adopt(path);
    } catch (error) {
      // Under our own name nobody would look at it again.
      renameSync(path, join(dir, file));
      logger.warn(`${file} in the outbox cannot be taken over yet: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    }
    const { segment, tail } = adopted;
    this.#segments.splice(this.#segments.findLastIndex((each) => !each.isOpen) + 1, 0, segment);
    const entries = segment.pending();
    this.#waitingEntries += entries.length;
    const records = entries.reduce((sum, entry) => sum + entry.records, 0);
    this.#waitingRecords += records;
    if (records > 0) logger.info(`${records} records were left in the outbox by a process that is gone; they are forwarded now`);
    if (tail.length === 0) return true;
    logger.warn(`the last ${tail.length} bytes of ${file} are no whole entry and were set aside in ${this.#deps.setAside.add(tail)}`);
    return true;
  }

  /** Another process has it, and forwards it. */
  #letGo(segment: Segment): void {
    for (const entry of segment.pending()) {
      entry.delivered = entry.lost = true;
      this.#waitingEntries -= 1;
      this.#waitingRecords -= entry.records;
    }
  }
}

const unwritable = (dir: string, cause: unknown): AttuneError =>
  new AttuneError(
    'outbox.unwritable',
    `the event log does not answer, and the outbox in ${dir} cannot be written (${cause instanceof Error ? cause.message : String(cause)})`,
    { cause, retriable: true },
  );
