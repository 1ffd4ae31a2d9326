/**
 * The insides of KafkaJS 2.2.4 that its front door does not show: connections that speak the protocol, and the protocol's requests.
 * Everything that the log takes from `kafkajs/src` is taken and typed here (docs/decisions/0009).
 */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { Kafka, logLevel, type SASLOptions } from 'kafkajs';

interface TopicPartitions<Partition> {
  readonly topic: string;
  readonly partitions: readonly Partition[];
}

/** Error codes stand beside what they belong to; 0 is none. */
export interface Protocol {
  readonly Metadata: {
    readonly options: { readonly topics: readonly string[]; readonly allowAutoTopicCreation: false };
    readonly answer: {
      readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[];
      readonly controllerId: number;
      readonly topicMetadata: readonly {
        readonly topic: string;
        readonly topicErrorCode: number;
        readonly partitionMetadata: readonly {
          readonly partitionErrorCode: number;
          readonly partitionId: number;
          readonly leader: number;
          readonly replicas: readonly number[];
        }[];
      }[];
    };
  };
  readonly InitProducerId: {
    readonly options: { readonly transactionTimeout: number };
    readonly answer: { readonly errorCode: number; readonly producerId: string; readonly producerEpoch: number };
  };
  readonly Produce: {
    /** Encoded by encode-produce.ts. */
    readonly options: never;
    readonly answer: {
      readonly topics: readonly {
        readonly topicName: string;
        readonly partitions: readonly { readonly partition: number; readonly errorCode: number; readonly baseOffset: string }[];
      }[];
    };
  };
  readonly Fetch: {
    readonly options: {
      readonly maxWaitTime: number;
      readonly minBytes: number;
      readonly maxBytes: number;
      readonly isolationLevel: 0;
      readonly topics: readonly TopicPartitions<{
        readonly partition: number;
        readonly fetchOffset: string;
        readonly maxBytes: number;
      }>[];
    };
    /** Decoded by decode-fetch.ts. */
    readonly answer: never;
  };
  readonly ListOffsets: {
    readonly options: {
      readonly replicaId: -1;
      readonly isolationLevel: 0;
      readonly topics: readonly TopicPartitions<{ readonly partition: number; readonly timestamp: number }>[];
    };
    readonly answer: {
      readonly responses: readonly TopicPartitions<{
        readonly partition: number;
        readonly errorCode: number;
        readonly offset: string;
      }>[];
    };
  };
  readonly GroupCoordinator: {
    readonly options: { readonly groupId: string; readonly coordinatorType: 0 };
    readonly answer: { readonly errorCode: number; readonly coordinator: { readonly nodeId: number } };
  };
  readonly JoinGroup: {
    readonly options: {
      readonly groupId: string;
      readonly sessionTimeout: number;
      readonly rebalanceTimeout: number;
      readonly memberId: string;
      readonly protocolType: 'consumer';
      readonly groupProtocols: readonly { readonly name: string; readonly metadata: Buffer }[];
    };
    readonly answer: {
      readonly errorCode: number;
      readonly generationId: number;
      readonly leaderId: string;
      readonly memberId: string;
      readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[];
    };
  };
  readonly SyncGroup: {
    readonly options: {
      readonly groupId: string;
      readonly generationId: number;
      readonly memberId: string;
      readonly groupAssignment: readonly { readonly memberId: string; readonly memberAssignment: Buffer }[];
    };
    readonly answer: { readonly errorCode: number; readonly memberAssignment: Buffer };
  };
  readonly Heartbeat: {
    readonly options: { readonly groupId: string; readonly groupGenerationId: number; readonly memberId: string };
    readonly answer: { readonly errorCode: number };
  };
  readonly LeaveGroup: {
    readonly options: { readonly groupId: string; readonly memberId: string };
    readonly answer: { readonly errorCode: number };
  };
  readonly OffsetCommit: {
    readonly options: {
      readonly groupId: string;
      readonly groupGenerationId: number;
      readonly memberId: string;
      readonly topics: readonly TopicPartitions<{ readonly partition: number; readonly offset: string }>[];
    };
    readonly answer: { readonly responses: readonly TopicPartitions<{ readonly partition: number; readonly errorCode: number }>[] };
  };
  readonly OffsetFetch: {
    readonly options: { readonly groupId: string; readonly topics: readonly TopicPartitions<{ readonly partition: number }>[] };
    readonly answer: {
      readonly errorCode: number;
      readonly responses: readonly TopicPartitions<{
        readonly partition: number;
        readonly errorCode: number;
        readonly offset: string;
      }>[];
    };
  };
  readonly DeleteRecords: {
    readonly options: {
      readonly topics: readonly TopicPartitions<{ readonly partition: number; readonly offset: string }>[];
      readonly timeout: number;
    };
    readonly answer: {
      readonly topics: readonly TopicPartitions<{ readonly partition: number; readonly errorCode: number }>[];
    };
  };
  readonly DescribeGroups: {
    readonly options: { readonly groupIds: readonly string[] };
    readonly answer: {
      readonly groups: readonly { readonly errorCode: number; readonly state: string; readonly members: readonly unknown[] }[];
    };
  };
}

export type RequestName = keyof Protocol;

export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

export interface BrokerConnectionOptions {
  readonly clientId: string;
  readonly ssl: TlsOptions | null;
  readonly sasl: SASLOptions | null;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

/** Two sockets to one broker: one for fetches, which wait there for records, one for everything else. */
export interface BrokerConnection {
  /** TCP, TLS, the broker's versions, SASL. */
  connect(): Promise<void>;
  send<Name extends RequestName>(name: Name, options: Protocol[Name]['options']): Promise<Protocol[Name]['answer']>;
  /** As `send`, for a caller that decodes the answer itself. */
  sendRaw<Name extends RequestName>(name: Name, options: Protocol[Name]['options']): Promise<Buffer>;
  /** As `send`, with a body of the caller's own, in an encoding that did not change from version 3 to the newest that KafkaJS knows. */
  sendEncoded<Name extends RequestName>(name: Name, body: Buffer): Promise<Protocol[Name]['answer']>;
  /**
   * A request of a version that KafkaJS does not know, in Kafka's flexible encoding: body in, body out. Null: neither does the broker.
   */
  sendFlexible(request: FlexibleRequest): Promise<Buffer | null>;
  /** Waits for requests in flight. */
  disconnect(): Promise<void>;
}

export interface FlexibleRequest {
  readonly apiName: string;
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly body: Buffer;
}

interface KafkaJsExchange {
  readonly request: object;
  readonly response: { readonly decode: unknown };
}

interface KafkaJsBroker {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  readonly connectionPool: { send(exchange: object): Promise<unknown> };
  lookupRequest(apiKey: number, definitions: unknown): (options: unknown) => KafkaJsExchange;
  readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>>;
}

interface KafkaJsRequestQueue {
  readonly pending: readonly unknown[];
  readonly throttledUntil: number;
  scheduleCheckPendingRequests: (this: KafkaJsRequestQueue) => void;
}

interface KafkaJsConnection {
  connect(): Promise<unknown>;
  /** Absent before the first `connect`. */
  readonly socket?: Socket;
  /** Who waits for an answer of SASL. */
  readonly authHandlers: { onError(): void } | null;
}

interface Insides {
  readonly Broker: new (options: object) => KafkaJsBroker;
  readonly ConnectionPool: new (options: object) => { readonly pool: readonly KafkaJsConnection[] };
  readonly RequestQueue: { readonly prototype: KafkaJsRequestQueue };
  readonly createSocketFactory: () => unknown;
  readonly definitions: Readonly<Record<RequestName, unknown>>;
  readonly apiKeys: Readonly<Record<RequestName, number>>;
  readonly Encoder: new (bytes: number) => { buf: Buffer; offset: number };
  readonly crc32c: (bytes: Buffer) => number;
  readonly createErrorFromCode: (code: number) => Error & { readonly type: string };
}

const require = createRequire(import.meta.url);
const insides: Insides = {
  Broker: require('kafkajs/src/broker'),
  ConnectionPool: require('kafkajs/src/network/connectionPool'),
  RequestQueue: require('kafkajs/src/network/requestQueue'),
  createSocketFactory: require('kafkajs/src/network/socketFactory'),
  definitions: require('kafkajs/src/protocol/requests').requests,
  apiKeys: require('kafkajs/src/protocol/requests/apiKeys'),
  Encoder: require('kafkajs/src/protocol/encoder'),
  crc32c: require('kafkajs/src/protocol/recordBatch/crc32C'),
  createErrorFromCode: require('kafkajs/src/protocol/error').createErrorFromCode,
};

/** KafkaJS sets a timer after every answer, by its front door too, with a negative delay when nothing waits: Node warns of it. */
const { prototype: queue } = insides.RequestQueue;
const { scheduleCheckPendingRequests: schedule } = queue;
queue.scheduleCheckPendingRequests = function scheduleWhereOneWaits(this: KafkaJsRequestQueue) {
  if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
};

/** Silent: every failure reaches our callers as an error. */
const logger = new Kafka({ brokers: ['unused:0'], logLevel: logLevel.NOTHING }).logger();

/** With Kafka's name of the error as `type`. */
export const errorOfCode = insides.createErrorFromCode;

/** Castagnoli's, of a batch of records. */
export const crc32c = insides.crc32c;

export function createBrokerConnection({ host, port }: BrokerAddress, options: BrokerConnectionOptions): BrokerConnection {
  const connectionPool = new insides.ConnectionPool({
    logger,
    socketFactory: insides.createSocketFactory(),
    host,
    port,
    ssl: options.ssl,
    sasl: options.sasl,
    clientId: options.clientId,
    connectionTimeout: options.connectTimeoutMs,
    requestTimeout: options.requestTimeoutMs,
  });
  for (const connection of connectionPool.pool) shareConnecting(connection);
  const broker = new insides.Broker({ connectionPool, logger, allowAutoTopicCreation: false });

  /** KafkaJS throws for the first error code inside an answer; ours belong to single partitions, and are read there. */
  const exchange = (name: RequestName, requestOptions: unknown, decode?: (raw: Buffer) => unknown): Promise<unknown> => {
    const made = broker.lookupRequest(insides.apiKeys[name], insides.definitions[name])(requestOptions);
    const response = { decode: decode ?? made.response.decode, parse: (decoded: unknown) => decoded };
    return broker.connectionPool.send({ ...made, response, logResponseError: false });
  };
  return {
    connect: () => broker.connect(),
    send: (name, requestOptions) => exchange(name, requestOptions) as Promise<never>,
    sendRaw: (name, requestOptions) => exchange(name, requestOptions, (raw) => raw) as Promise<Buffer>,
    sendEncoded(name, body) {
      const { request, response } = broker.lookupRequest(insides.apiKeys[name], insides.definitions[name])({});
      const encoded = { ...request, encode: async () => encoderOf(body) };
      const unparsed = { decode: response.decode, parse: (decoded: unknown) => decoded };
      return broker.connectionPool.send({ request: encoded, response: unparsed, logResponseError: false }) as Promise<never>;
    },
    async sendFlexible({ apiName, apiKey, apiVersion, body }) {
      if ((broker.versions[apiKey]?.maxVersion ?? 0) < apiVersion) return null;
      const request = { apiName, apiKey, apiVersion, encode: async () => encoderOf(Buffer.concat([NO_TAGS, body])) };
      const response = { decode: (raw: Buffer) => raw, parse: (raw: Buffer) => raw };
      const raw = (await broker.connectionPool.send({ request, response, logResponseError: false })) as Buffer;
      return raw.subarray(NO_TAGS.length);
    },
    async disconnect() {
      await broker.disconnect();
      // KafkaJS ends its half of the socket only, and a silent broker never ends the other one.
      for (const { authHandlers, socket } of connectionPool.pool) {
        authHandlers?.onError();
        socket?.destroy();
      }
    },
  };
}

/** Ends the header of a flexible request and of its answer. */
const NO_TAGS = Buffer.from([0]);

/** Where KafkaJS goes on to write after `body`, which it then copies. */
const encoderOf = (body: Buffer): object => Object.assign(new insides.Encoder(1), { buf: body, offset: body.length });

/** KafkaJS opens a socket for each request that finds none, and keeps only the last: the end of any of them ends the connection. */
function shareConnecting(connection: KafkaJsConnection): void {
  const connect = connection.connect.bind(connection);
  let connecting: Promise<unknown> | null = null;
  connection.connect = () => (connecting ??= connect().finally(() => (connecting = null)));
}
