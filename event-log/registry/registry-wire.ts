/**
 * Attune's records on Kafka in Confluent's wire format: the header of each value is exchanged where it enters or leaves the log, and
 * the rest of Attune only knows the single-object encoding.
 *
 * Both encodings are readable at all times, so a registry may be set on a log that has records already. What is neither passes
 * as it is: its reader makes it a dead letter.
 */
import avro from 'avsc';
import { AttuneError, TOPIC_CODECS, fingerprintOfType } from '#contracts';
import type { RecordCodec, Topic } from '#contracts';
import { typeOfSchema } from './avro-type.ts';
import {
  CONFLUENT_HEADER,
  SINGLE_OBJECT_HEADER,
  confluentHeader,
  fingerprintOf,
  isConfluent,
  isSingleObject,
  schemaIdOf,
  singleObjectHeader,
  withHeader,
} from './framing.ts';
import type { RegistryClient } from './registry-client.ts';
import { COMPATIBILITY, subjectOf } from './subjects.ts';

export interface RegistryWireDeps {
  readonly registry: RegistryClient;
  /** What stands before a topic's name on the brokers. Default none. */
  readonly topicPrefix?: string;
  /** Default Date.now. */
  readonly clock?: () => number;
}

export interface RegistryWire {
  /** Registers the schemas of every topic, so that the first append need not. Rejects with EngineUnavailable: try again. */
  prepare(): Promise<void>;
  /** Rejects with EngineUnavailable when the topic's schemas were never registered by this process and the registry is away. */
  toWire(topic: Topic, value: Buffer): Buffer | Promise<Buffer>;
  /** Rejects with EngineUnavailable when the value's schema was never met by this process and the registry is away. */
  fromWire(topic: Topic, value: Buffer): Buffer | Promise<Buffer>;
}

/** Turns a value of one schema id into single-object encoding of a schema that this build knows. */
type Reader = (value: Buffer) => Buffer;

/** A registry that has just lost an id, never had it, or has something else under it, is not asked for every record. */
const UNKNOWN_FOR_MS = 30_000;

export const createRegistryWire = ({ registry, topicPrefix = '', clock = Date.now }: RegistryWireDeps): RegistryWire => {
  const headers = new Map<Topic, Map<string, Buffer>>();
  const readers = new Map<Topic, Map<number, Reader>>();
  const unknownUntil = new Map<number, number>();
  const register = once((topic: Topic) => registerTopic(registry, subjectOf(topicPrefix, topic), TOPIC_CODECS[topic]));
  const findReader = once(async (id: number) => readerSource(registry, id));

  const headersOf = async (topic: Topic): Promise<Map<string, Buffer>> => {
    const found = await register(topic);
    headers.set(topic, found);
    return found;
  };

  const readUnmet = async (topic: Topic, value: Buffer): Promise<Buffer> => {
    const id = schemaIdOf(value);
    const type = await findReader(id);
    if (type === null) {
      unknownUntil.set(id, clock() + UNKNOWN_FOR_MS);
      return value;
    }
    const reader = createReader(TOPIC_CODECS[topic], type);
    if (!readers.has(topic)) readers.set(topic, new Map());
    readers.get(topic)!.set(id, reader);
    return reader(value);
  };

  return {
    async prepare() {
      for (const topic of Object.keys(TOPIC_CODECS) as Topic[]) await headersOf(topic);
    },
    toWire(topic, value) {
      if (!isSingleObject(value)) return value;
      const known = headers.get(topic);
      if (known === undefined) return headersOf(topic).then((found) => confluentOf(found, value));
      return confluentOf(known, value);
    },
    fromWire(topic, value) {
      if (!isConfluent(value)) return value;
      const id = schemaIdOf(value);
      const reader = readers.get(topic)?.get(id);
      if (reader !== undefined) return reader(value);
      if ((unknownUntil.get(id) ?? 0) > clock()) return value;
      return readUnmet(topic, value);
    },
  };
};

/** A record of a schema that this build does not know is left in its own encoding, which is readable too. */
const confluentOf = (known: ReadonlyMap<string, Buffer>, value: Buffer): Buffer => {
  const header = known.get(fingerprintOf(value));
  return header === undefined ? value : withHeader(header, value, SINGLE_OBJECT_HEADER);
};

/** Every released version under the topic's subject, oldest first; the header of each by its fingerprint. */
const registerTopic = async (registry: RegistryClient, subject: string, codec: RecordCodec<unknown>): Promise<Map<string, Buffer>> => {
  if ((await registry.compatibilityOf(subject)) === null) await registry.setCompatibility(subject, COMPATIBILITY);
  const headers = new Map<string, Buffer>();
  for (const { schema, fingerprint } of codec.versions) {
    headers.set(fingerprint.toString('hex'), confluentHeader(await registry.register(subject, schema)));
  }
  return headers;
};

/** Null: the registry has no such id, or a schema that is no Avro or cannot be used. */
const readerSource = async (registry: RegistryClient, id: number): Promise<avro.Type | null> => {
  try {
    const registered = await registry.schemaOf(id);
    return registered === null ? null : await typeOfSchema(registry, registered, { wrapUnions: false });
  } catch (error) {
    if (error instanceof AttuneError && error.code !== 'registry.not-avro') throw error;
    return null;
  }
};

const createReader = (codec: RecordCodec<unknown>, type: avro.Type): Reader => {
  const fingerprint = fingerprintOfType(type);
  if (codec.versions.some((version) => version.fingerprint.equals(fingerprint))) {
    const header = singleObjectHeader(fingerprint);
    return (value) => withHeader(header, value, CONFLUENT_HEADER);
  }
  return createTranslator(codec, type);
};

/** A newer writer's record in this build's schema; what cannot be resolved passes as it is, for its reader to refuse. */
const createTranslator = (codec: RecordCodec<unknown>, type: avro.Type): Reader => {
  const ours = avro.Type.forSchema(codec.versions.at(-1)!.schema, { wrapUnions: false });
  let resolver: unknown;
  try {
    resolver = ours.createResolver(type);
  } catch {
    return (value) => value;
  }
  return (value) => {
    try {
      return codec.encode(ours.fromBuffer(value.subarray(CONFLUENT_HEADER), resolver as never));
    } catch (cause) {
      if (cause instanceof AttuneError) throw cause;
      return value;
    }
  };
};

/** One question at a time for each key; an answer is kept by the caller, a failure by nobody. */
const once = <K, V>(ask: (key: K) => Promise<V>): ((key: K) => Promise<V>) => {
  const asked = new Map<K, Promise<V>>();
  return (key) => {
    let answer = asked.get(key);
    if (answer === undefined) {
      answer = ask(key).finally(() => asked.delete(key));
      asked.set(key, answer);
    }
    return answer;
  };
};
