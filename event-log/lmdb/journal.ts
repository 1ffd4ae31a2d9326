/**
 * A process's own journal: accepted records lie in the system's page cache, where the death of the process cannot reach them, until
 * LMDB has them on the disk. Where LMDB is late (a busy machine), the journal itself is put on the disk, in time for law 3. Files are
 * short-lived: a handful of megabytes or a second, then deleted.
 */
import { closeSync, fdatasyncSync, fsyncSync, mkdirSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { AppendRecord } from '../port.ts';
import { encodeEntry } from './journal-entry.ts';
import { isDead, processTag } from './process-tag.ts';

/** Law 3 allows 50 ms between the acknowledgement and the disk. */
const SYNC_AFTER_MS = 30;
/** Past this LMDB does not come after, and callers have to wait for it. */
const MOST_UNFLUSHED_MS = 2_000;
const MOST_BYTES = 8_000_000;
/** Nobody writes to an older file, so that others may take it over when it has not been touched for much longer. */
const MOST_FILE_AGE_MS = 1_000;

interface JournalFile {
  readonly path: string;
  readonly descriptor: number;
  readonly openedAtMs: number;
  bytes: number;
  lastNumber: number;
  /** The newest entry that an fsync of this file covers. */
  syncedNumber: number;
}

export interface JournalDeps {
  readonly dir: string;
  readonly monotonicMs: () => number;
}

/** Of this process, so that a journal of an earlier process with the same number is told from a living one. */
const openHere = new Set<string>();

export class Journal {
  readonly id = randomUUID().replaceAll('-', '');
  readonly #deps: JournalDeps;
  readonly #unflushed: { readonly number: number; readonly atMs: number }[] = [];
  readonly #full: JournalFile[] = [];
  #file: JournalFile | null = null;
  #files = 0;
  #number = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(deps: JournalDeps) {
    this.#deps = deps;
    mkdirSync(deps.dir, { recursive: true });
    openHere.add(this.id);
  }

  /** The entry's number; null when nothing can be promised now: the disk lags, or the file cannot be written. */
  write(records: readonly AppendRecord[], acceptedAtMs: number): number | null {
    const nowMs = this.#deps.monotonicMs();
    if (this.#unflushed.length > 0 && nowMs - this.#unflushed[0]!.atMs > MOST_UNFLUSHED_MS) return null;
    const number = (this.#number += 1);
    try {
      const entry = encodeEntry({ number, acceptedAtMs, records });
      const file = this.#fileFor(nowMs);
      file.lastNumber = number;
      file.bytes += entry.length;
      if (writeSync(file.descriptor, entry) !== entry.length) throw new Error('a torn write');
    } catch {
      this.#fill();
      return null;
    }
    this.#unflushed.push({ number, atMs: nowMs });
    this.#timer ??= setTimeout(() => this.#syncLate(), SYNC_AFTER_MS);
    return number;
  }

  /** All entries up to this one are on the disk, in LMDB. */
  flushed(upTo: number): void {
    let count = 0;
    while (count < this.#unflushed.length && this.#unflushed[count]!.number <= upTo) count += 1;
    this.#unflushed.splice(0, count);
    while (this.#full.length > 0 && this.#full[0]!.lastNumber <= upTo) remove(this.#full.shift()!);
  }

  /** Lets go of a file that has nothing left to protect; to be called now and then. */
  tidy(): void {
    if (this.#unflushed.length > 0 || this.#file === null) return;
    if (this.#deps.monotonicMs() - this.#file.openedAtMs < MOST_FILE_AGE_MS) return;
    this.#fill();
    while (this.#full.length > 0) remove(this.#full.shift()!);
  }

  /** Files whose entries are not on the disk stay, for whoever opens the log next. */
  close(): void {
    openHere.delete(this.id);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#fill();
    const lastFlushed = this.#unflushed.length > 0 ? this.#unflushed[0]!.number - 1 : Infinity;
    for (const file of this.#full.splice(0)) {
      if (file.lastNumber <= lastFlushed) remove(file);
      else closeSync(file.descriptor);
    }
  }

  /** In this thread, for a hand-over to another one is what LMDB is waiting for. */
  #syncLate(): void {
    this.#timer = null;
    const oldest = this.#unflushed[0];
    if (oldest === undefined) return;
    const waitMs = oldest.atMs + SYNC_AFTER_MS - this.#deps.monotonicMs();
    if (waitMs <= 0) for (const file of this.#file === null ? this.#full : [...this.#full, this.#file]) this.#sync(file);
    this.#timer = setTimeout(() => this.#syncLate(), waitMs <= 0 ? SYNC_AFTER_MS : waitMs);
  }

  #sync(file: JournalFile): void {
    if (file.syncedNumber === file.lastNumber) return;
    try {
      fdatasyncSync(file.descriptor);
      if (file.syncedNumber === 0) syncFolder(this.#deps.dir);
      file.syncedNumber = file.lastNumber;
    } catch {
      // A failing disk: LMDB's own fsync tells it to the callers.
    }
  }

  #fileFor(nowMs: number): JournalFile {
    if (this.#file !== null && (this.#file.bytes > MOST_BYTES || nowMs - this.#file.openedAtMs > MOST_FILE_AGE_MS)) this.#fill();
    return (this.#file ??= this.#open(nowMs));
  }

  #open(openedAtMs: number): JournalFile {
    const path = join(this.#deps.dir, journalFileName({ owner: processTag(), journal: this.id, index: (this.#files += 1) }));
    return { path, descriptor: openSync(path, 'ax', 0o600), openedAtMs, bytes: 0, lastNumber: 0, syncedNumber: 0 };
  }

  #fill(): void {
    if (this.#file !== null) this.#full.push(this.#file);
    this.#file = null;
  }
}

/** The new file's name. */
function syncFolder(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** True only when it is certain that the journal's owner will not write to it again. */
export function isOrphan({ owner, journal }: JournalFileName): boolean {
  return owner === processTag() ? !openHere.has(journal) : isDead(owner);
}

function remove({ path, descriptor }: JournalFile): void {
  closeSync(descriptor);
  try {
    unlinkSync(path);
  } catch {
    // Somebody took it over, and what it protected was in the log already.
  }
}

export interface JournalFileName {
  readonly owner: string;
  readonly journal: string;
  readonly index: number;
}

export function journalFileName({ owner, journal, index }: JournalFileName): string {
  return `${encodeURIComponent(owner)}~${journal}~${String(index).padStart(9, '0')}`;
}

export function parseJournalFileName(name: string): JournalFileName | null {
  const [owner, journal, index] = name.split('~');
  if (owner === undefined || journal === undefined || index === undefined || !/^[0-9a-f]{32}$/.test(journal)) return null;
  return { owner: decodeURIComponent(owner), journal, index: Number(index) };
}
