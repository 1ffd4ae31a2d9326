/**
 * Group commit: appends that arrive while the disk is busy share the next transaction and its fsync. What is accepted is acknowledged
 * from the journal and handed over in the same queue.
 */
import { COMPACTED_TOPICS, EngineUnavailable, type Topic } from '#contracts';
import type { AppendRecord, Position } from '../port.ts';
import { refuseInvalid } from '../refuse-invalid.ts';
import { CHUNK_BYTES, encodeChunk, sizeInChunk, stampChunk } from './chunk.ts';
import { unavailable, type Env } from './environment.ts';
import type { Journal } from './journal.ts';
import type { JournalEntry } from './journal-entry.ts';
import { Heads, headsKey, journalKey, recordKey } from './layout.ts';

export interface AppenderDeps {
  readonly env: Env;
  readonly journal: Journal;
  readonly partitions: number;
  readonly now: () => number;
  /** Called once records of the topics can be read. */
  readonly onVisible: (topics: readonly Topic[]) => void;
}

interface Call {
  readonly records: readonly AppendRecord[];
  readonly positions: Position[];
  readonly resolve: (positions: readonly Position[]) => void;
  readonly reject: (error: unknown) => void;
  readonly source: Source | null;
}

/** The journal's entry that the records come from, so that each entry is in the log once. */
interface Source {
  readonly journal: string;
  readonly number: number;
  readonly acceptedAtMs: number;
}

/** Records of one topic and partition that will be one entry. */
interface Draft {
  readonly topic: Topic;
  readonly partition: number;
  readonly records: AppendRecord[];
  readonly owners: { readonly call: Call; readonly index: number }[];
  bytes: number;
  /** Of the record that was accepted first; infinite when all are taken now. */
  acceptedAtMs: number;
}

/** Beyond this a transaction would hold the write lock too long for the other processes. */
const MAX_RECORDS_PER_TRANSACTION = 8_192;
/** How long accepted records wait for others: nobody waits for them, and a transaction of many is cheaper than many transactions. */
const GATHER_MS = 10;
const RETRY_MS = 200;

export class Appender {
  readonly #deps: AppenderDeps;
  #waiting: Call[] = [];
  #running: Promise<void> | null = null;
  #flushing = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(deps: AppenderDeps) {
    this.#deps = deps;
  }

  append(records: readonly AppendRecord[]): Promise<readonly Position[]> {
    return new Promise((resolve, reject) => {
      this.#refuse(records);
      if (records.length === 0 && this.#waiting.length === 0 && this.#running === null) return resolve([]);
      this.#waiting.push({ records, positions: Array.from({ length: records.length }), resolve, reject, source: null });
      this.#begin();
    });
  }

  /** Resolves when the death of this process can no longer lose the records; the log shows them some milliseconds later. */
  accept(records: readonly AppendRecord[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#refuse(records);
      if (records.length === 0) return resolve(null);
      const acceptedAtMs = this.#deps.now();
      const number = this.#deps.journal.write(records, acceptedAtMs);
      if (number === null) return void this.append(records).then(resolve, reject);
      const source = { journal: this.#deps.journal.id, number, acceptedAtMs };
      this.#waiting.push({ records, positions: [], resolve: () => undefined, reject: () => undefined, source });
      if (this.#running === null) this.#timer ??= setTimeout(() => this.#begin(), GATHER_MS);
      resolve(null);
    });
  }

  /** Entries of a dead process's journal; those that the log has already change nothing. */
  async takeOver(journal: string, entries: readonly JournalEntry[]): Promise<void> {
    await Promise.all(
      entries.map(
        ({ records, number, acceptedAtMs }) =>
          new Promise((resolve, reject) => {
            const source = { journal, number, acceptedAtMs };
            this.#waiting.push({ records, positions: [], resolve, reject, source });
            this.#begin();
          }),
      ),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#waiting.length > 0) this.#begin();
    await this.#running;
    await Promise.all(this.#flushing);
  }

  #refuse(records: readonly AppendRecord[]): void {
    if (this.#closed) throw new EngineUnavailable('event-log', 'The log is closed.');
    records.forEach(refuseInvalid);
  }

  #begin(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#running ??= this.#run();
  }

  /** One transaction at a time; the fsync of one overlaps with the next. */
  async #run(): Promise<void> {
    await Promise.resolve();
    let kept: Call[] = [];
    do {
      const calls = this.#take();
      try {
        await this.#commit(calls);
        const flushing = this.#acknowledgeWhenFlushed(calls).finally(() => this.#flushing.delete(flushing));
        this.#flushing.add(flushing);
      } catch (error) {
        kept = calls.filter((call) => this.#isAccepted(call));
        rejectAll(calls, error);
      }
    } while (kept.length === 0 && this.#waiting.some((call) => this.#closed || !this.#isAccepted(call)));
    this.#waiting.unshift(...kept);
    this.#running = null;
    if (this.#waiting.length > 0 && !this.#closed)
      this.#timer ??= setTimeout(() => this.#begin(), kept.length === 0 ? GATHER_MS : RETRY_MS);
  }

  #isAccepted({ source }: Call): boolean {
    return source?.journal === this.#deps.journal.id;
  }

  #take(): Call[] {
    let records = 0;
    let count = 0;
    while (count < this.#waiting.length && (count === 0 || records < MAX_RECORDS_PER_TRANSACTION)) {
      records += this.#waiting[count]!.records.length;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #commit(calls: readonly Call[]): Promise<void> {
    const drafts = draftChunks(calls, this.#deps.partitions);
    const chunks = drafts.map((draft) => encodeChunk(draft.records));
    await this.#deps.env.transaction(() => {
      const fresh = this.#notYetInLog(calls);
      if (fresh.length === calls.length) return this.#put(drafts, chunks);
      const fewer = draftChunks(fresh, this.#deps.partitions);
      this.#put(
        fewer,
        fewer.map((draft) => encodeChunk(draft.records)),
      );
    });
    this.#deps.onVisible([...new Set(drafts.map((draft) => draft.topic))]);
  }

  /** Inside the transaction: leaves out entries that are in the log, and notes the newest of each journal. */
  #notYetInLog(calls: readonly Call[]): readonly Call[] {
    const { env } = this.#deps;
    const before = new Map<string, number>();
    const after = new Map<string, number>();
    for (const { source } of calls) {
      if (source === null) continue;
      let inLog = before.get(source.journal);
      if (inLog === undefined) before.set(source.journal, (inLog = env.getBinary(journalKey(source.journal))?.readDoubleLE(0) ?? 0));
      after.set(source.journal, Math.max(inLog, after.get(source.journal) ?? 0, source.number));
    }
    if (after.size === 0) return calls;
    for (const [journal, number] of after) {
      const bytes = Buffer.allocUnsafe(8);
      bytes.writeDoubleLE(number, 0);
      env.putSync(journalKey(journal), bytes);
    }
    return calls.filter(({ source }) => source === null || source.number > before.get(source.journal)!);
  }

  #put(drafts: readonly Draft[], chunks: readonly Buffer[]): void {
    const { env, partitions, now } = this.#deps;
    const nowMs = now();
    const headsOf = new Map<Topic, Heads>();
    drafts.forEach(({ topic, partition, records, owners, acceptedAtMs }, index) => {
      let heads = headsOf.get(topic);
      if (heads === undefined) headsOf.set(topic, (heads = new Heads(partitions, env.getBinary(headsKey(topic)))));
      const offset = heads.next(partition);
      const timestampMs = Math.max(Math.min(nowMs, acceptedAtMs), heads.timestampMs(partition));
      const chunk = chunks[index]!;
      stampChunk(chunk, timestampMs);
      env.putSync(recordKey(topic, partition, offset), chunk);
      heads.set(partition, offset + records.length, timestampMs);
      for (let i = 0; i < owners.length; i += 1) owners[i]!.call.positions[owners[i]!.index] = { topic, partition, offset: offset + i };
    });
    for (const [topic, heads] of headsOf) env.putSync(headsKey(topic), heads.bytes);
  }

  async #acknowledgeWhenFlushed(calls: readonly Call[]): Promise<void> {
    try {
      await this.#deps.env.flushed;
      const accepted = calls.findLast((call) => this.#isAccepted(call));
      if (accepted !== undefined) this.#deps.journal.flushed(accepted.source!.number);
      for (const call of calls) call.resolve(call.positions);
    } catch (error) {
      rejectAll(calls, error);
    }
  }
}

function rejectAll(calls: readonly Call[], error: unknown): void {
  const reason = unavailable('The log could not make the records durable', error);
  for (const call of calls) call.reject(reason);
}

/** Compacted topics get one record a chunk, so that compaction only removes entries. */
function draftChunks(calls: readonly Call[], partitions: number): Draft[] {
  const drafts: Draft[] = [];
  const open = new Map<string, Draft>();
  for (const call of calls)
    call.records.forEach((record, index) => {
      const partition = record.shard % partitions;
      const id = `${record.topic}/${partition}`;
      const size = sizeInChunk(record);
      let draft = open.get(id);
      if (draft === undefined || draft.bytes + size > CHUNK_BYTES || COMPACTED_TOPICS.includes(record.topic)) {
        draft = { topic: record.topic, partition, records: [], owners: [], bytes: 0, acceptedAtMs: Infinity };
        open.set(id, draft);
        drafts.push(draft);
      }
      draft.records.push(record);
      draft.owners.push({ call, index });
      draft.bytes += size;
      draft.acceptedAtMs = Math.min(draft.acceptedAtMs, call.source?.acceptedAtMs ?? Infinity);
    });
  return drafts;
}
