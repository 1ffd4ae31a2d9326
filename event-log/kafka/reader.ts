/** What needs no membership of a group: records from an offset, offsets by time, what groups committed, deletion. */
import type { Topic } from '#contracts';
import type { LogRecord, TopicPartitionOffsets } from '../port.ts';
import type { Cluster } from './cluster.ts';
import type { FetchedPartition, FetchedRecord } from './decode-fetch.ts';
import { fetchFrom } from './fetch.ts';
import { throwUnless0, withPatience } from './patience.ts';

export interface ReaderDeps {
  readonly cluster: Cluster;
  readonly topicPrefix: string;
  readonly fromWire: ((topic: Topic, value: Buffer) => Buffer | Promise<Buffer>) | null;
  /** How long a read tries before it rejects. */
  readonly patienceMs: number;
}

const EARLIEST = -2;
const LATEST = -1;
/** Kafka's word for "there is none". */
const NO_OFFSET = -1;
const DELETE_TIMEOUT_MS = 4_000;
const MIN_FETCH_BYTES = 64_000;
const MAX_FETCH_BYTES = 4_000_000;
/** A guess: reads of few records should not carry many. */
const BYTES_A_RECORD = 1_000;
export const OFFSET_OUT_OF_RANGE = 1;

export class Reader {
  readonly #deps: ReaderDeps;

  constructor(deps: ReaderDeps) {
    this.#deps = deps;
  }

  async read(topic: Topic, partition: number, offset: number, maxRecords: number): Promise<readonly LogRecord[]> {
    const records: LogRecord[] = [];
    for (let at = offset; records.length < maxRecords;) {
      const fetched = await this.#fetch(topic, partition, at, maxRecords - records.length);
      if (fetched === null) {
        const { first } = await this.offsets(topic, partition);
        if (at >= first) break;
        at = first;
        continue;
      }
      for (const record of fetched.records.slice(0, maxRecords - records.length))
        records.push(await this.toLogRecord(topic, partition, record));
      if (fetched.next === null || fetched.next >= fetched.highWatermark) break;
      at = fetched.next;
    }
    return inTime(records);
  }

  async offsets(topic: Topic, partition: number): Promise<TopicPartitionOffsets> {
    const [first, next] = await Promise.all([this.#listOffset(topic, partition, EARLIEST), this.#listOffset(topic, partition, LATEST)]);
    return { first, next };
  }

  async offsetAt(topic: Topic, partition: number, timeMs: number): Promise<number> {
    const offset = await this.#listOffset(topic, partition, Math.max(0, Math.ceil(timeMs)));
    return offset === NO_OFFSET ? this.#listOffset(topic, partition, LATEST) : offset;
  }

  /** By topic and partition; null where the group never committed. */
  async committed(groupId: string, topics: readonly Topic[], partitions: readonly number[]): Promise<ReadonlyMap<string, number | null>> {
    return this.#patiently(async () => {
      const node = await this.#deps.cluster.coordinatorOf(groupId);
      const answer = await this.#deps.cluster.send(node, 'OffsetFetch', {
        groupId,
        topics: topics.map((topic) => ({ topic: this.#kafkaName(topic), partitions: partitions.map((partition) => ({ partition })) })),
      });
      throwUnless0(answer.errorCode, `the commits of ${groupId}`);
      const committed = new Map<string, number | null>();
      for (const { topic, partitions: answers } of answer.responses)
        for (const { partition, errorCode, offset } of answers) {
          throwUnless0(errorCode, `the commit of ${groupId} on ${topic} ${partition}`);
          committed.set(`${topic.slice(this.#deps.topicPrefix.length)}/${partition}`, Number(offset) === NO_OFFSET ? null : Number(offset));
        }
      return committed;
    });
  }

  /** Records between what the group committed and the end. */
  async lag(groupId: string, topics: readonly { readonly topic: Topic; readonly partitions: number }[]): Promise<number> {
    const lags = await Promise.all(
      topics.map(async ({ topic, partitions }) => {
        const numbers = Array.from({ length: partitions }, (_, partition) => partition);
        const [committed, offsets] = await Promise.all([
          this.committed(groupId, [topic], numbers),
          Promise.all(numbers.map((partition) => this.offsets(topic, partition))),
        ]);
        return offsets.map(({ first, next }, partition) =>
          Math.max(0, next - Math.max(first, committed.get(`${topic}/${partition}`) ?? 0)),
        );
      }),
    );
    return lags.flat().reduce((sum, lag) => sum + lag, 0);
  }

  async toLogRecord(topic: Topic, partition: number, { offset, timestampMs, key, value }: FetchedRecord): Promise<LogRecord> {
    const bytes = value ?? Buffer.alloc(0);
    const ours = this.#deps.fromWire === null ? bytes : await this.#deps.fromWire(topic, bytes);
    return { topic, partition, offset, timestampMs, key, value: ours };
  }

  /** Deletes every record before the offset. */
  async deleteBefore(topic: Topic, partition: number, offset: number): Promise<void> {
    const kafkaTopic = this.#kafkaName(topic);
    await this.#fromLeader(kafkaTopic, partition, async (node) => {
      const { topics } = await this.#deps.cluster.send(node, 'DeleteRecords', {
        timeout: DELETE_TIMEOUT_MS,
        topics: [{ topic: kafkaTopic, partitions: [{ partition, offset: String(offset) }] }],
      });
      throwUnless0(topics[0]!.partitions[0]!.errorCode, `deleting from ${kafkaTopic} ${partition}`);
    });
  }

  async #listOffset(topic: Topic, partition: number, timestamp: number): Promise<number> {
    const kafkaTopic = this.#kafkaName(topic);
    return this.#fromLeader(kafkaTopic, partition, async (node) => {
      const { responses } = await this.#deps.cluster.send(node, 'ListOffsets', {
        replicaId: -1,
        isolationLevel: 0,
        topics: [{ topic: kafkaTopic, partitions: [{ partition, timestamp }] }],
      });
      const [answer] = responses[0]!.partitions;
      throwUnless0(answer!.errorCode, `the offsets of ${kafkaTopic} ${partition}`);
      return Number(answer!.offset);
    });
  }

  /** Null: the log has no such offset, or has it no more. */
  async #fetch(topic: Topic, partition: number, offset: number, maxRecords: number): Promise<FetchedPartition | null> {
    const kafkaTopic = this.#kafkaName(topic);
    const bytes = Math.min(MAX_FETCH_BYTES, Math.max(MIN_FETCH_BYTES, maxRecords * BYTES_A_RECORD));
    const limits = { maxWaitMs: 0, maxBytes: bytes, maxBytesPerPartition: bytes };
    return this.#fromLeader(kafkaTopic, partition, async (node) => {
      const [fetched] = await fetchFrom(this.#deps.cluster, node, [{ kafkaTopic, partition, offset }], limits);
      if (fetched!.errorCode === OFFSET_OUT_OF_RANGE) return null;
      throwUnless0(fetched!.errorCode, `${kafkaTopic} ${partition} from ${offset}`);
      if (fetched!.fault !== null) throw fetched!.fault;
      return fetched!;
    });
  }

  #fromLeader<T>(kafkaTopic: string, partition: number, ask: (node: number) => Promise<T>): Promise<T> {
    return this.#patiently(async () => {
      const node = await this.#deps.cluster.leaderOf(kafkaTopic, partition);
      try {
        return await ask(node);
      } catch (error) {
        this.#deps.cluster.forgetLeader(kafkaTopic);
        throw error;
      }
    });
  }

  #patiently<T>(attempt: () => Promise<T>): Promise<T> {
    return withPatience(this.#deps.patienceMs, attempt);
  }

  #kafkaName(topic: Topic): string {
    return `${this.#deps.topicPrefix}${topic}`;
  }
}

/** Another broker's clock may be behind its predecessor's; the port promises times that never fall. */
function inTime(records: readonly LogRecord[]): readonly LogRecord[] {
  let latestMs = -Infinity;
  return records.map((record) => {
    latestMs = Math.max(latestMs, record.timestampMs);
    return record.timestampMs === latestMs ? record : { ...record, timestampMs: latestMs };
  });
}
