/**
 * What the log will never take: kept on the disk for a person to look at, no longer than the log keeps what it takes, and without whoever
 * was erased since (law 9). A file for each day, which the processes of the folder share.
 */
import {
  appendFileSync,
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DAY_MS, TOPICS, TOPIC_CODECS, erasureCodec } from '#contracts';
import { decodeEntries, encodeEntry, endOfEntry, type JournalEntry } from '../lmdb/journal-entry.ts';
import type { AppendRecord } from '../port.ts';

export interface SetAsideDeps {
  readonly dir: string;
  /** As long as the log keeps its records; two days at least. */
  readonly keepMs: number;
  readonly clock: () => number;
}

const NAME = /^refused-(\d{4}-\d\d-\d\d)[.]entries$/;

export class SetAside {
  readonly #deps: SetAsideDeps;
  /** Whom the files have not been searched for yet: hex of the key, when erased. */
  readonly #erased = new Map<string, number>();
  /** Of the files of all processes, as of the last `tend`. */
  bytes = 0;

  constructor(deps: SetAsideDeps) {
    this.#deps = deps;
  }

  /** @param bytes an entry; else they are kept as the value of a dead letter, so that what comes after can be read @returns the file */
  add(bytes: Buffer): string {
    const nowMs = this.#deps.clock();
    const path = join(this.#deps.dir, `refused-${new Date(nowMs).toISOString().slice(0, 10)}.entries`);
    const lost = { topic: TOPICS.deadLetters, shard: 0, value: bytes };
    const entry = endOfEntry(bytes, 0) === bytes.length ? bytes : encodeEntry({ number: 0, acceptedAtMs: nowMs, records: [lost] });
    appendFileSync(path, entry, { mode: 0o600, flush: true });
    this.bytes += entry.length;
    return path;
  }

  /** To be called with every record of the erasures' topic. */
  noteErasure(record: Buffer): void {
    const { customerKey, erasedAt } = erasureCodec.decode(record);
    const key = customerKey.toString('hex');
    this.#erased.set(key, Math.max(erasedAt, this.#erased.get(key) ?? 0));
  }

  /** Drops what is too old and who was erased. To be called every second. */
  tend(): void {
    const { dir, keepMs, clock } = this.#deps;
    let bytes = 0;
    for (const file of readdirSync(dir)) {
      const day = NAME.exec(file)?.[1];
      if (day === undefined) continue;
      const path = join(dir, file);
      if (Date.parse(day) + Math.max(keepMs, 2 * DAY_MS) <= clock()) unlink(path);
      else if (this.#erased.size > 0) forget(path, this.#erased);
      bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    }
    this.#erased.clear();
    this.bytes = bytes;
  }
}

/** Rewrites the file where it holds one of them; what cannot be read might, and goes too where it is older than one of the erasures. */
const forget = (path: string, erased: ReadonlyMap<string, number>): void => {
  const latest = Math.max(...erased.values());
  const isKept =
    (acceptedAtMs: number) =>
    ({ topic, value }: AppendRecord): boolean => {
      const key = customerOf(topic, value);
      return acceptedAtMs > (key === undefined ? latest : (erased.get(key) ?? 0));
    };
  const descriptor = open(path);
  if (descriptor === null) return;
  try {
    const { mtimeMs } = fstatSync(descriptor);
    const file = readFileSync(descriptor);
    const entries = decodeEntries(file);
    const torn = file.subarray(entries.reduce((sum, entry) => sum + encodeEntry(entry).length, 0));
    const kept = entries
      .map((entry): JournalEntry => ({ ...entry, records: entry.records.filter(isKept(entry.acceptedAtMs)) }))
      .filter(({ records }) => records.length > 0)
      .map(encodeEntry);
    const left = Buffer.concat(mtimeMs > latest ? [...kept, torn] : kept);
    if (left.length === file.length) return;
    if (left.length === 0) unlink(path);
    else {
      const own = `${path}.${process.pid}`;
      writeFileSync(own, left, { mode: 0o600, flush: true });
      renameSync(own, path);
    }
    // What another process set aside meanwhile.
    if (fstatSync(descriptor).size > file.length) appendFileSync(path, readFileSync(descriptor), { mode: 0o600, flush: true });
  } finally {
    closeSync(descriptor);
  }
};

/** Hex; '': it is of nobody; undefined: it cannot be read. */
const customerOf = (topic: AppendRecord['topic'], value: Uint8Array): string | undefined => {
  try {
    const { customerKey } = TOPIC_CODECS[topic].decode(value) as { readonly customerKey?: Buffer };
    return customerKey?.toString('hex') ?? '';
  } catch {
    return undefined;
  }
};

const open = (path: string): number | null => {
  try {
    return openSync(path, 'r');
  } catch {
    return null;
  }
};

const unlink = (path: string): void => {
  try {
    unlinkSync(path);
  } catch {
    // Another process was first.
  }
};
