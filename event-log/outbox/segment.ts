/**
 * One file of the outbox: entries one after the other behind a header that says how far they are forwarded. The system's page cache
 * keeps what is written over the death of the process, `sync` over the death of the machine.
 */
import {
  closeSync,
  existsSync,
  fdatasync,
  fsyncSync,
  ftruncateSync,
  openSync,
  read,
  readFileSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { decodeEntry, endOfEntry, headOfEntry } from '../lmdb/journal-entry.ts';

export interface Entry {
  readonly at: number;
  readonly end: number;
  readonly records: number;
  readonly acceptedAtMs: number;
  /** A first attempt of the log's that is still open: it may yet take the records. */
  late: Promise<unknown> | null;
  /** In the log, or lost to another process: nothing is left to do here. */
  delivered: boolean;
  /** Its file was taken over by another process, perhaps before the entry was in it. */
  lost?: boolean;
}

/** Mark of the format, then where the first entry begins that is not forwarded (float64). */
const HEADER_BYTES = 16;
const MARK = Buffer.from('ATTUNEo1');

const syncData = promisify(fdatasync);
const readAt = promisify(read);

export class Segment {
  readonly path: string;
  readonly #descriptor: number;
  readonly #entries: Entry[];
  #head = 0;
  #size: number;
  /** How far it is forwarded, as the file says. */
  #noted: number;
  #written: boolean;
  #isNew: boolean;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;
  #isRemoved = false;

  private constructor(path: string, descriptor: number, state: { entries: Entry[]; size: number; isNew: boolean }) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#entries = state.entries;
    this.#size = state.size;
    this.#noted = state.entries[0]?.at ?? state.size;
    this.#written = !state.isNew;
    this.#isNew = state.isNew;
  }

  /** Throws when the file cannot be made; then there is none. */
  static create(path: string): Segment {
    const descriptor = openSync(path, 'wx+', 0o600);
    const header = Buffer.alloc(HEADER_BYTES);
    MARK.copy(header);
    header.writeDoubleLE(HEADER_BYTES, MARK.length);
    try {
      writeWhole(descriptor, header, 0);
    } catch (error) {
      closeSync(descriptor);
      unlinkSync(path);
      throw error;
    }
    return new Segment(path, descriptor, { entries: [], size: HEADER_BYTES, isNew: true });
  }

  /** A dead process's, renamed already. `tail`: bytes at the end that are no whole entry. */
  static adopt(path: string): { readonly segment: Segment; readonly tail: Buffer } {
    const file = readFileSync(path);
    const { entries, end } = scanSegment(file);
    const segment = new Segment(path, openSync(path, 'r+'), { entries, size: file.length, isNew: false });
    return { segment, tail: file.length > HEADER_BYTES ? file.subarray(end) : Buffer.alloc(0) };
  }

  get size(): number {
    return this.#size;
  }

  /** Written into by its owner; an adopted one takes no more. */
  get isOpen(): boolean {
    return !this.#written && !this.#isRemoved;
  }

  get isRemoved(): boolean {
    return this.#isRemoved;
  }

  get isEmpty(): boolean {
    return this.#firstPending() === undefined;
  }

  /** The oldest that waits. */
  head(): Entry | undefined {
    return this.#firstPending();
  }

  pending(): readonly Entry[] {
    return this.#entries.slice(this.#head).filter((entry) => !entry.delivered);
  }

  /** Throws when the disk does not take it; then the segment is as it was. */
  write(bytes: Buffer, entry: Pick<Entry, 'records' | 'acceptedAtMs' | 'late'>): Entry {
    const at = this.#size;
    try {
      writeWhole(this.#descriptor, bytes, at);
    } catch (error) {
      this.#cutTo(at);
      throw error;
    }
    this.#size = at + bytes.length;
    const written: Entry = { at, end: this.#size, delivered: false, ...entry };
    this.#entries.push(written);
    return written;
  }

  /** Takes nothing more. */
  seal(): void {
    this.#written = true;
  }

  /** Resolves when everything written so far is on the disk; calls that wait for the disk share the next turn. */
  sync(): Promise<void> {
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#running = this.#next!;
        this.#next = null;
        return this.#syncNow();
      });
    return this.#next;
  }

  async #syncNow(): Promise<void> {
    // Whatever was in it is in the log.
    if (this.#isRemoved) return;
    await syncData(this.#descriptor);
    if (!this.#isNew) return;
    syncFolder(dirname(this.path));
    this.#isNew = false;
  }

  /** False: another process took it over, and what is in it is theirs to forward. */
  isStillHere(): boolean {
    return this.#isRemoved || existsSync(this.path);
  }

  /** Fewer bytes than asked for where the file ends before. */
  async readBytes(from: number, to: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(to - from);
    const { bytesRead } = await readAt(this.#descriptor, bytes, 0, bytes.length, from);
    return bytes.subarray(0, bytesRead);
  }

  /** Notes in the file how far it is forwarded, so that an adopter need not begin anew. What is noted already leaves its age alone. */
  noteProgress(): void {
    const first = this.#firstPending()?.at ?? this.#size;
    if (first === this.#noted) return;
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeDoubleLE(first, 0);
    try {
      writeSync(this.#descriptor, bytes, 0, 8, MARK.length);
      this.#noted = first;
    } catch {
      // The adopter forwards some of it twice, and it counts once.
    }
  }

  /** Tells other machines' processes on this volume that its owner lives. */
  touch(nowMs: number): void {
    try {
      utimesSync(this.path, nowMs / 1_000, nowMs / 1_000);
    } catch {
      // Taken over: noticed when it is forwarded or written to.
    }
  }

  /** @param unlink false: leaves the file for whoever opens the outbox next */
  close({ unlink }: { readonly unlink: boolean }): void {
    if (this.#isRemoved) return;
    this.#isRemoved = true;
    const release = (): void => closeSync(this.#descriptor);
    void this.#running.then(release, release);
    if (!unlink) return;
    try {
      unlinkSync(this.path);
    } catch {
      // Taken over by another process, which finds nothing left to do.
    }
  }

  /** What was written in part must not stand before what is written next. */
  #cutTo(size: number): void {
    try {
      ftruncateSync(this.#descriptor, size);
    } catch {
      this.seal();
    }
  }

  #firstPending(): Entry | undefined {
    while (this.#head < this.#entries.length && this.#entries[this.#head]!.delivered) this.#head += 1;
    return this.#entries[this.#head];
  }
}

/** The entries of a segment's file that are not forwarded, and where the last whole one ends. */
export const scanSegment = (file: Buffer): { readonly entries: Entry[]; readonly end: number } => {
  const entries: Entry[] = [];
  if (file.length < HEADER_BYTES || !file.subarray(0, MARK.length).equals(MARK)) return { entries, end: 0 };
  const from = file.readDoubleLE(MARK.length);
  let at = HEADER_BYTES;
  for (let end = endOfEntry(file, at); end !== null; at = end, end = endOfEntry(file, at)) {
    if (at < from) continue;
    const { records, acceptedAtMs } = decodeEntry(file.subarray(at, end));
    entries.push({ at, end, records: records.length, acceptedAtMs, late: null, delivered: false });
  }
  return { entries, end: at };
};

/** Where the entries that are not forwarded lie, by what they say of themselves: a hundredth of a scan, and nothing is checked. */
export const outlineSegment = (file: Buffer): readonly Pick<Entry, 'at' | 'end' | 'acceptedAtMs'>[] => {
  const entries: Pick<Entry, 'at' | 'end' | 'acceptedAtMs'>[] = [];
  if (file.length < HEADER_BYTES || !file.subarray(0, MARK.length).equals(MARK)) return entries;
  const from = file.readDoubleLE(MARK.length);
  let at = HEADER_BYTES;
  for (let head = headOfEntry(file, at); head !== null; at = head.end, head = headOfEntry(file, at))
    if (at >= from) entries.push({ at, ...head });
  return entries;
};

const writeWhole = (descriptor: number, bytes: Buffer, at: number): void => {
  if (writeSync(descriptor, bytes, 0, bytes.length, at) !== bytes.length) throw new Error('the disk took only a part');
};

/** A new file's name must survive as well as its content. */
const syncFolder = (path: string): void => {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
};
