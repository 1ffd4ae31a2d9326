/**
 * A topic's id: Kafka gives each topic one for life (KIP-516), so that a topic which was deleted and made again is known for another.
 * KafkaJS asks for metadata of a version before there were any: Metadata 12 is written and read here.
 */
import { EngineUnavailable } from '#contracts';
import type { Cluster } from '../kafka/cluster.ts';

const METADATA = { apiName: 'Metadata', apiKey: 3, apiVersion: 12 } as const;
const UNKNOWN_TOPIC = 3;
const NOT_AUTHORIZED = 29;
const ID_BYTES = 16;

/** Of brokers before Kafka 3.1: there a topic that is made again must be read under another source name. */
export const NO_TOPIC_ID = 'none';

/** Null: there is no such topic, or it may not be seen. Rejects with EngineUnavailable. */
export const readTopicId = async (cluster: Cluster, topic: string): Promise<string | null> => {
  const answer = await cluster.sendFlexibleToAny({ ...METADATA, body: requestOf(topic) });
  if (answer === null) return NO_TOPIC_ID;
  const { errorCode, id } = parseAnswer(answer);
  if (errorCode === UNKNOWN_TOPIC || errorCode === NOT_AUTHORIZED) return null;
  if (errorCode !== 0) throw new EngineUnavailable('event-log', `Kafka: the topic ${topic} cannot be described: error ${errorCode}`);
  return id.toString('base64url');
};

/** topics [{ id, name }], allow_auto_topic_creation, include_topic_authorized_operations; each structure ends with its tags, of which there are none. */
const requestOf = (topic: string): Buffer => {
  const name = Buffer.from(topic, 'utf8');
  return Buffer.concat([
    compactLength(1),
    Buffer.alloc(ID_BYTES),
    compactLength(name.length),
    name,
    Buffer.from([0]),
    Buffer.from([0, 0, 0]),
  ]);
};

/** Lengths are one more than they are: zero stands for null. */
const compactLength = (length: number): Buffer => {
  const bytes: number[] = [];
  let rest = length + 1;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
};

/** throttle, brokers [{ id, host, port, rack }], cluster id, controller, topics [{ error, name, id, … }]: of the topics, the first is read. */
const parseAnswer = (bytes: Buffer): { readonly errorCode: number; readonly id: Buffer } => {
  let at = 4;
  const uvarint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes.readUInt8(at++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const skipText = (): void => {
    const length = uvarint() - 1;
    at += Math.max(0, length);
  };
  const skipTags = (): void => {
    for (let left = uvarint(); left > 0; left--) {
      uvarint();
      const length = uvarint();
      at += length;
    }
  };
  for (let brokers = uvarint() - 1; brokers > 0; brokers--) {
    at += 4;
    skipText();
    at += 4;
    skipText();
    skipTags();
  }
  skipText();
  at += 4;
  uvarint();
  const errorCode = bytes.readInt16BE(at);
  at += 2;
  skipText();
  return { errorCode, id: bytes.subarray(at, at + ID_BYTES) };
};
