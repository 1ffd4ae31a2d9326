/** Writes the body of a Produce request (versions 3 to 8: Kafka 0.11 and later) into one buffer: KafkaJS would copy each record five times. */
import { crc32c } from './kafkajs-insides.ts';

export interface ProduceBody {
  readonly acks: -1;
  readonly timeoutMs: number;
  readonly producerId: string;
  readonly producerEpoch: number;
  readonly topics: readonly { readonly topic: string; readonly batches: readonly ProduceBatch[] }[];
}

export interface ProduceBatch {
  readonly partition: number;
  readonly firstSequence: number;
  readonly records: readonly { readonly key: Buffer | null; readonly value: Buffer }[];
}

const HEAD_BYTES = 12;
/** Bytes of a batch before its records. */
const BATCH_HEADER_BYTES = 61;
/** Of these the batch's own length does not count its offset and itself. */
const BATCH_PREFIX_BYTES = 12;
/** The checksum is of what follows it. */
const CRC_AT = 17;
const AFTER_CRC = 21;
const MAGIC = 2;
const NULL_STRING = -1;

/** All records carry `nowMs`; none is compressed or has headers (Kafka's protocol guide, "Record Batch"). */
export function encodeProduce({ acks, timeoutMs, producerId, producerEpoch, topics }: ProduceBody, nowMs: number): Buffer {
  const sizes = topics.map(({ batches }) => batches.map(({ records }) => BATCH_HEADER_BYTES + sum(records.map(sizeOfRecord))));
  const bytes = HEAD_BYTES + sum(topics.map(({ topic }, t) => 6 + Buffer.byteLength(topic) + sum(sizes[t]!.map((size) => 8 + size))));
  const out = new Writer(Buffer.allocUnsafe(bytes));
  out.int16(NULL_STRING); // of no transaction
  out.int16(acks);
  out.int32(timeoutMs);
  out.int32(topics.length);
  topics.forEach(({ topic, batches }, t) => {
    out.string(topic);
    out.int32(batches.length);
    batches.forEach(({ partition, firstSequence, records }, b) => {
      out.int32(partition);
      out.int32(sizes[t]![b]!);
      const begin = out.at;
      out.int64(0n); // its first offset: Kafka gives it
      out.int32(sizes[t]![b]! - BATCH_PREFIX_BYTES);
      out.int32(0); // the leader's epoch
      out.int8(MAGIC);
      out.int32(0); // the checksum, below
      out.int16(0); // no compression, the producer's time
      out.int32(records.length - 1);
      out.int64(BigInt(nowMs));
      out.int64(BigInt(nowMs));
      out.int64(BigInt(producerId));
      out.int16(producerEpoch);
      out.int32(firstSequence);
      out.int32(records.length);
      records.forEach(({ key, value }, offset) => {
        out.varint(bodyOfRecord({ key, value }, offset));
        out.int8(0); // attributes: none yet
        out.varint(0); // milliseconds after nowMs
        out.varint(offset);
        out.varBytes(key);
        out.varBytes(value);
        out.varint(0); // headers
      });
      out.bytes.writeUInt32BE(crc32c(out.bytes.subarray(begin + AFTER_CRC, out.at)), begin + CRC_AT);
    });
  });
  return out.bytes;
}

type Record = ProduceBatch['records'][number];

const bodyOfRecord = ({ key, value }: Record, offset: number): number =>
  3 + sizeOfVarint(offset) + (key === null ? 1 : sizeOfVarint(key.length) + key.length) + sizeOfVarint(value.length) + value.length;

const sizeOfRecord = (record: Record, offset: number): number => {
  const body = bodyOfRecord(record, offset);
  return sizeOfVarint(body) + body;
};

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

/** Zigzag doubles what is not negative; seven bits a byte. */
const sizeOfVarint = (value: number): number => {
  let bytes = 1;
  for (let rest = value * 2; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
};

class Writer {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  int8(value: number): void {
    this.at = this.bytes.writeInt8(value, this.at);
  }

  int16(value: number): void {
    this.at = this.bytes.writeInt16BE(value, this.at);
  }

  int32(value: number): void {
    this.at = this.bytes.writeInt32BE(value, this.at);
  }

  int64(value: bigint): void {
    this.at = this.bytes.writeBigInt64BE(value, this.at);
  }

  /** Not negative. */
  varint(value: number): void {
    let rest = value * 2;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.bytes[this.at++] = (rest % 128) | 128;
    this.bytes[this.at++] = rest;
  }

  string(text: string): void {
    this.int16(Buffer.byteLength(text));
    this.at += this.bytes.write(text, this.at, 'utf8');
  }

  varBytes(bytes: Buffer | null): void {
    if (bytes === null) {
      this.bytes[this.at++] = 1; // zigzag of -1
      return;
    }
    this.varint(bytes.length);
    this.at += bytes.copy(this.bytes, this.at);
  }
}
