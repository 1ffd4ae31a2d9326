/**
 * Group commit: appends of the same moment, and those that wait for a broker's last answer, share the next request to that broker.
 * Idempotent: each partition's batches are numbered, and a batch is sent again under its number until Kafka has said what became of it.
 */
import { AttuneError, EngineUnavailable, type Topic } from '#contracts';
import type { AppendRecord, Position } from '../port.ts';
import { refuseInvalid } from '../refuse-invalid.ts';
import { errorOfCode, type Protocol } from './kafkajs-insides.ts';
import type { Cluster } from './cluster.ts';
import { encodeProduce } from './encode-produce.ts';
import { OutQueue, type Batch, type Call, type Producer } from './out-queue.ts';
import { answerTo } from './produce-errors.ts';

export interface AppenderDeps {
  readonly cluster: Cluster;
  readonly partitionsOf: (topic: Topic) => number;
  readonly topicPrefix: string;
  readonly appendTimeoutMs: number;
  /** How long a broker waits for the replicas before it says so. */
  readonly requestTimeoutMs: number;
  readonly toWire: ((topic: Topic, value: Buffer) => Buffer | Promise<Buffer>) | null;
}

type ProduceAnswer = Protocol['Produce']['answer'];

/** Kafka refuses requests above 100 MB; a few are enough to keep a broker busy. */
const MAX_REQUEST_BYTES = 8_000_000;

/** A broker gets no two small requests within this time: each costs both sides more than the records in it. Kafka's own clients wait 5 ms. */
const LINGER_MS = 3;
/** As many records wait for nothing. */
const MANY_RECORDS = 32;

export class Appender {
  readonly #deps: AppenderDeps;
  readonly #queues = new Map<string, OutQueue>();
  readonly #busyNodes = new Set<number>();
  /** By node: when it may get the next small request. */
  readonly #notBeforeMs = new Map<number, number>();
  readonly #calls = new Set<Call>();
  #producer: Promise<Producer> | null = null;
  #pumpScheduled = false;
  #sweeping: NodeJS.Timeout | undefined;
  #isLingering = false;
  #refusal: EngineUnavailable | null = null;

  constructor(deps: AppenderDeps) {
    this.#deps = deps;
  }

  async append(records: readonly AppendRecord[]): Promise<readonly Position[]> {
    if (this.#refusal !== null) throw this.#refusal;
    records.forEach(refuseInvalid);
    if (records.length === 0) return [];
    const values = this.#valuesOnWire(records);
    return this.#enqueue(records, values instanceof Promise ? await values : values);
  }

  /** Takes nothing from now on. */
  refuse(why: EngineUnavailable): void {
    this.#refusal ??= why;
  }

  /** Resolves when nothing is in hand. */
  async close(): Promise<void> {
    this.refuse(new EngineUnavailable('event-log', 'The log is closed.'));
    await Promise.allSettled([...this.#calls].map(({ settled }) => settled));
  }

  #valuesOnWire(records: readonly AppendRecord[]): readonly Buffer[] | Promise<readonly Buffer[]> {
    const { toWire } = this.#deps;
    if (toWire === null) return records.map(({ value }) => bufferOf(value));
    return (async () => {
      const values: Buffer[] = [];
      for (const { topic, value } of records) values.push(await toWire(topic, bufferOf(value)));
      return values;
    })();
  }

  #enqueue(records: readonly AppendRecord[], values: readonly Buffer[]): Promise<readonly Position[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Position[]>();
    const call: Call = {
      deadlineMs: performance.now() + this.#deps.appendTimeoutMs,
      positions: Array.from({ length: records.length }),
      missing: records.length,
      isOver: false,
      settled: promise,
      resolve,
      reject,
    };
    this.#calls.add(call);
    records.forEach(({ topic, shard, key }, index) => {
      const item = { call, index, key: key === undefined ? null : bufferOf(key), value: values[index]! };
      this.#queueOf(topic, shard % this.#deps.partitionsOf(topic)).waiting.push(item);
    });
    this.#sweeping ??= setTimeout(() => this.#sweep(), this.#deps.appendTimeoutMs);
    this.#pumpSoon();
    return promise;
  }

  #queueOf(topic: Topic, partition: number): OutQueue {
    const key = `${topic}/${partition}`;
    let queue = this.#queues.get(key);
    if (queue === undefined) this.#queues.set(key, (queue = new OutQueue(topic, `${this.#deps.topicPrefix}${topic}`, partition)));
    return queue;
  }

  /** After the input of this turn of the event loop: what it brings shares a request. */
  #pumpSoon(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    setImmediate(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    const ready = new Map<number, OutQueue[]>();
    const nowMs = performance.now();
    for (const queue of this.#queues.values()) {
      if (!queue.isReady(nowMs)) continue;
      if (queue.leader === null) void this.#locate(queue);
      else if (!this.#busyNodes.has(queue.leader)) ready.set(queue.leader, [...(ready.get(queue.leader) ?? []), queue]);
    }
    for (const [node, queues] of ready) {
      const leftMs = (this.#notBeforeMs.get(node) ?? 0) - nowMs;
      if (leftMs > 0 && countWaiting(queues) < MANY_RECORDS) this.#pumpIn(leftMs);
      else void this.#send(node, queues);
    }
  }

  #pumpIn(ms: number): void {
    if (this.#isLingering) return;
    this.#isLingering = true;
    setTimeout(() => {
      this.#isLingering = false;
      this.#pump();
    }, ms);
  }

  async #locate(queue: OutQueue): Promise<void> {
    queue.isBusy = true;
    try {
      queue.leader = await this.#deps.cluster.leaderOf(queue.kafkaTopic, queue.partition);
    } catch (error) {
      this.#retryLater(queue, error);
    } finally {
      this.#release(queue);
      this.#pumpSoon();
    }
  }

  /** One request at a time to a broker; what comes meanwhile shares the next. */
  async #send(node: number, queues: readonly OutQueue[]): Promise<void> {
    this.#busyNodes.add(node);
    this.#notBeforeMs.set(node, performance.now() + LINGER_MS);
    const sent: { queue: OutQueue; batch: Batch }[] = [];
    try {
      const producer = await this.#currentProducer();
      let bytes = 0;
      for (const queue of queues) {
        if (bytes >= MAX_REQUEST_BYTES) break;
        const batch = queue.take(producer);
        if (batch === null) continue;
        queue.isBusy = true;
        batch.wasSent = true;
        bytes += batch.bytes;
        sent.push({ queue, batch });
      }
      // A request carries one producer id; a batch that is sent again may have another than the new ones.
      for (const group of Map.groupBy(sent, ({ batch }) => batch.producer).values()) await this.#produce(node, group);
    } catch (error) {
      if (sent.length === 0) for (const queue of queues) this.#retryLater(queue, error);
    } finally {
      for (const { queue } of sent) this.#release(queue);
      this.#busyNodes.delete(node);
      this.#pumpSoon();
    }
  }

  async #produce(node: number, sent: readonly { queue: OutQueue; batch: Batch }[]): Promise<void> {
    const { id, epoch } = sent[0]!.batch.producer;
    const byTopic = Map.groupBy(sent, ({ queue }) => queue.kafkaTopic);
    let answer: ProduceAnswer;
    try {
      const body = encodeProduce(
        {
          acks: -1,
          timeoutMs: this.#deps.requestTimeoutMs,
          producerId: id,
          producerEpoch: epoch,
          topics: [...byTopic].map(([topic, group]) => ({
            topic,
            batches: group.map(({ queue: { partition }, batch: { firstSequence, items } }) => ({
              partition,
              firstSequence,
              records: items,
            })),
          })),
        },
        Date.now(),
      );
      answer = await this.#deps.cluster.sendEncoded(node, 'Produce', body);
    } catch (error) {
      for (const { queue } of sent) this.#tryAgain(queue, error);
      return;
    }
    for (const { queue, batch } of sent) {
      const partitions = answer.topics.find(({ topicName }) => topicName === queue.kafkaTopic)?.partitions;
      const result = partitions?.find(({ partition }) => partition === queue.partition);
      if (result === undefined) this.#tryAgain(queue, new Error('the answer says nothing of this partition'));
      else if (result.errorCode === 0) this.#acknowledge(queue, batch, Number(result.baseOffset));
      else this.#failed(queue, batch, result.errorCode);
    }
  }

  #acknowledge(queue: OutQueue, batch: Batch, baseOffset: number): void {
    queue.succeed(batch);
    batch.items.forEach(({ call, index }, i) => {
      call.positions[index] = { topic: queue.topic, partition: queue.partition, offset: baseOffset + i };
      call.missing -= 1;
      if (call.missing === 0) this.#settle(call, () => call.resolve(call.positions));
    });
  }

  #failed(queue: OutQueue, batch: Batch, code: number): void {
    const error = errorOfCode(code);
    switch (answerTo(error.type)) {
      case 'again':
        this.#tryAgain(queue, error);
        return;
      case 'newProducer':
        this.#producer = null;
        queue.unnumber();
        this.#retryLater(queue, error);
        return;
      case 'smaller':
        if (batch.items.length === 1) this.#refuse(queue, batch, tooLarge(queue.kafkaTopic, batch.bytes));
        else queue.split(batch);
        return;
      case 'refused':
        this.#refuse(queue, batch, unavailable(queue, error));
    }
  }

  /** The batch was refused for good: Kafka took nothing of it, and its numbers are free again. */
  #refuse(queue: OutQueue, batch: Batch, error: AttuneError): void {
    queue.discard(batch);
    for (const { call } of batch.items) this.#settle(call, () => call.reject(error));
  }

  #tryAgain(queue: OutQueue, error: unknown): void {
    this.#deps.cluster.forgetLeader(queue.kafkaTopic);
    queue.leader = null;
    this.#retryLater(queue, error);
  }

  #retryLater(queue: OutQueue, error: unknown): void {
    queue.lastError = error;
    setTimeout(() => this.#pumpSoon(), queue.backOff(performance.now()));
  }

  #currentProducer(): Promise<Producer> {
    this.#producer ??= this.#newProducer().catch((error: unknown) => {
      this.#producer = null;
      throw error;
    });
    return this.#producer;
  }

  async #newProducer(): Promise<Producer> {
    const { errorCode, producerId, producerEpoch } = await this.#deps.cluster.sendToAny('InitProducerId', { transactionTimeout: 60_000 });
    if (errorCode !== 0) throw errorOfCode(errorCode);
    return { id: producerId, epoch: producerEpoch };
  }

  /** Gives up the calls whose time is over, and with them batches for which nobody waits any more. */
  #sweep(): void {
    const nowMs = performance.now();
    const late = new Set([...this.#calls].filter(({ deadlineMs }) => deadlineMs <= nowMs));
    for (const queue of this.#queues.values()) {
      const waited = [...queue.waiting, ...(queue.inHand?.items ?? [])].filter(({ call }) => late.has(call));
      for (const { call } of waited) this.#settle(call, () => call.reject(unavailable(queue, queue.lastError)));
      this.#dropAbandoned(queue);
    }
    const next = Math.min(...[...this.#calls].map(({ deadlineMs }) => deadlineMs));
    this.#sweeping = this.#calls.size === 0 ? undefined : setTimeout(() => this.#sweep(), Math.max(1, next - nowMs));
  }

  /** The sweep passes over what is busy. */
  #release(queue: OutQueue): void {
    queue.isBusy = false;
    this.#dropAbandoned(queue);
  }

  #dropAbandoned(queue: OutQueue): void {
    // What may have been written leaves a hole in the numbers: go on with new ones.
    if (queue.dropAbandoned()) this.#producer = null;
  }

  #settle(call: Call, settle: () => void): void {
    if (call.isOver) return;
    call.isOver = true;
    this.#calls.delete(call);
    settle();
    if (this.#calls.size > 0) return;
    clearTimeout(this.#sweeping);
    this.#sweeping = undefined;
  }
}

function countWaiting(queues: readonly OutQueue[]): number {
  return queues.reduce((total, { waiting }) => total + waiting.length, 0);
}

/** The same bytes: nobody changes them while they wait. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function unavailable({ kafkaTopic, partition }: OutQueue, cause: unknown): EngineUnavailable {
  const because = cause instanceof Error ? cause.message : 'the broker did not answer in time';
  return new EngineUnavailable('event-log', `Kafka could not make the records durable (${kafkaTopic} ${partition}): ${because}`, cause);
}

function tooLarge(topic: string, bytes: number): AttuneError {
  return new AttuneError(
    'event-log.too-large',
    `A record of ${bytes} bytes is larger than ${topic} takes: raise max.message.bytes of the topic, or send less.`,
  );
}
