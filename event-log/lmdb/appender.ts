/** Group commit: appends that arrive while the disk is busy share the next transaction and its fsync. */
import { AttuneError, COMPACTED_TOPICS, EngineUnavailable, type Topic } from '#contracts';
import type { AppendRecord, Position } from '../port.ts';
import { CHUNK_BYTES, encodeChunk, sizeInChunk, stampChunk } from './chunk.ts';
import { unavailable, type Env } from './environment.ts';
import { Heads, headsKey, recordKey } from './layout.ts';

export interface AppenderDeps {
  readonly env: Env;
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
}

/** Records of one topic and partition that will be one entry. */
interface Draft {
  readonly topic: Topic;
  readonly partition: number;
  readonly records: AppendRecord[];
  readonly owners: { readonly call: Call; readonly index: number }[];
  bytes: number;
}

/** Beyond this a transaction would hold the write lock too long for the other processes. */
const MAX_RECORDS_PER_TRANSACTION = 8_192;
const MAX_KEY_BYTES = 65_000;

export class Appender {
  readonly #deps: AppenderDeps;
  #waiting: Call[] = [];
  #running: Promise<void> | null = null;
  #flushing = new Set<Promise<void>>();
  #closed = false;

  constructor(deps: AppenderDeps) {
    this.#deps = deps;
  }

  append(records: readonly AppendRecord[]): Promise<readonly Position[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new EngineUnavailable('event-log', 'The log is closed.');
      records.forEach(refuseInvalid);
      if (records.length === 0) return resolve([]);
      this.#waiting.push({ records, positions: Array.from({ length: records.length }), resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    await Promise.all(this.#flushing);
  }

  /** One transaction at a time; the fsync of one overlaps with the next. */
  async #run(): Promise<void> {
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const calls = this.#take();
      try {
        await this.#commit(calls);
        const flushing = this.#acknowledgeWhenFlushed(calls).finally(() => this.#flushing.delete(flushing));
        this.#flushing.add(flushing);
      } catch (error) {
        rejectAll(calls, error);
      }
    }
    this.#running = null;
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
    await this.#deps.env.transaction(() => this.#put(drafts, chunks));
    this.#deps.onVisible([...new Set(drafts.map((draft) => draft.topic))]);
  }

  #put(drafts: readonly Draft[], chunks: readonly Buffer[]): void {
    const { env, partitions, now } = this.#deps;
    const nowMs = now();
    const headsOf = new Map<Topic, Heads>();
    drafts.forEach(({ topic, partition, records, owners }, index) => {
      let heads = headsOf.get(topic);
      if (heads === undefined) headsOf.set(topic, (heads = new Heads(partitions, env.getBinary(headsKey(topic)))));
      const offset = heads.next(partition);
      const timestampMs = Math.max(nowMs, heads.timestampMs(partition));
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

function refuseInvalid({ topic, shard, key }: AppendRecord): void {
  if (!Number.isInteger(shard) || shard < 0 || shard > 0xffff)
    throw new AttuneError('event-log.shard', `A shard is an integer from 0 to 65535, not ${shard}.`);
  if (key !== undefined && key.length > MAX_KEY_BYTES)
    throw new AttuneError('event-log.key', `A key of ${key.length} bytes is too long; the limit is ${MAX_KEY_BYTES}.`);
  if (key === undefined && COMPACTED_TOPICS.includes(topic))
    throw new AttuneError('event-log.key', `A record on the compacted topic ${topic} needs a key.`);
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
        draft = { topic: record.topic, partition, records: [], owners: [], bytes: 0 };
        open.set(id, draft);
        drafts.push(draft);
      }
      draft.records.push(record);
      draft.owners.push({ call, index });
      draft.bytes += size;
    });
  return drafts;
}
