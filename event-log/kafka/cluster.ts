/** Finds brokers: who leads a partition, who coordinates a group; drops a connection that fails, and asks another broker. */
import { EngineUnavailable, within } from '#contracts';
import {
  createBrokerConnection,
  errorOfCode,
  type BrokerAddress,
  type BrokerConnection,
  type BrokerConnectionOptions,
  type FlexibleRequest,
  type Protocol,
  type RequestName,
} from './kafkajs-insides.ts';

export interface ClusterOptions extends BrokerConnectionOptions {
  /** Addresses to begin with. */
  readonly brokers: readonly BrokerAddress[];
}

type Metadata = Protocol['Metadata']['answer'];

export interface TopicState {
  readonly errorCode: number;
  /** By partition; null: none at this moment. */
  readonly leaders: readonly (number | null)[];
  readonly replicas: number;
}

/** What nobody leads is asked for again after this. */
const NO_LEADER = -1;

/**
 * Connections of one purpose. A broker answers the requests of one connection in turn, so that what waits there (joining a group,
 * fetching) must not share with what is in a hurry: each purpose opens a cluster of its own.
 */
export class Cluster {
  readonly #options: ClusterOptions;
  readonly #addresses = new Map<number, BrokerAddress>();
  readonly #connections = new Map<string, Promise<BrokerConnection>>();
  readonly #topics = new Map<string, TopicState>();
  readonly #refreshing = new Map<string, Promise<Metadata>>();
  #controller = NO_LEADER;
  #closed = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  /** The broker that leads the partition. Throws while there is none. */
  async leaderOf(topic: string, partition: number): Promise<number> {
    const known = this.#topics.get(topic)?.leaders[partition];
    if (known !== null && known !== undefined) return known;
    await this.#refresh([topic]);
    const leader = this.#topics.get(topic)?.leaders[partition];
    if (leader === null || leader === undefined) throw unavailable(`${topic} ${partition} has no leader`);
    return leader;
  }

  /** The topic's leader is another, or may be: ask again before the next use. */
  forgetLeader(topic: string): void {
    this.#topics.delete(topic);
  }

  /** Asks anew. */
  async describe(topics: readonly string[]): Promise<ReadonlyMap<string, TopicState>> {
    await this.#refresh(topics);
    return new Map(topics.flatMap((topic) => (this.#topics.has(topic) ? [[topic, this.#topics.get(topic)!]] : [])));
  }

  async controller(): Promise<number> {
    if (!this.#addresses.has(this.#controller)) await this.#refresh([]);
    return this.#controller;
  }

  async coordinatorOf(groupId: string): Promise<number> {
    const { errorCode, coordinator } = await this.sendToAny('GroupCoordinator', { groupId, coordinatorType: 0 });
    if (errorCode !== 0) throw unavailable(`the group ${groupId} has no coordinator`, errorOfCode(errorCode));
    if (!this.#addresses.has(coordinator.nodeId)) await this.#refresh([]);
    return coordinator.nodeId;
  }

  async send<Name extends RequestName>(node: number, name: Name, options: Protocol[Name]['options']): Promise<Protocol[Name]['answer']> {
    return this.#with(this.#addressOf(node), (connection) => connection.send(name, options));
  }

  async sendRaw<Name extends RequestName>(node: number, name: Name, options: Protocol[Name]['options']): Promise<Buffer> {
    return this.#with(this.#addressOf(node), (connection) => connection.sendRaw(name, options));
  }

  async sendEncoded<Name extends RequestName>(node: number, name: Name, body: Buffer): Promise<Protocol[Name]['answer']> {
    return this.#with(this.#addressOf(node), (connection) => connection.sendEncoded(name, body));
  }

  /** To the first broker that answers. */
  sendToAny<Name extends RequestName>(name: Name, options: Protocol[Name]['options']): Promise<Protocol[Name]['answer']> {
    return this.#withAny((connection) => connection.send(name, options));
  }

  /** Likewise; null: that broker does not know the request. */
  sendFlexibleToAny(request: FlexibleRequest): Promise<Buffer | null> {
    return this.#withAny((connection) => connection.sendFlexible(request));
  }

  async #withAny<Answer>(use: (connection: BrokerConnection) => Promise<Answer>): Promise<Answer> {
    let last: unknown;
    const addresses = this.#inAnyOrder();
    for (const address of addresses) {
      try {
        return await this.#with(address, use);
      } catch (error) {
        last = error;
      }
    }
    throw addresses.length === 1 ? last : unavailable('no broker answers', last);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const connections = [...this.#connections.values()];
    this.#connections.clear();
    await Promise.all(connections.map((connecting) => disconnect(connecting)));
  }

  #refresh(topics: readonly string[]): Promise<Metadata> {
    const key = topics.join(' ');
    let refreshing = this.#refreshing.get(key);
    if (refreshing === undefined) {
      refreshing = this.#readMetadata(topics).finally(() => this.#refreshing.delete(key));
      this.#refreshing.set(key, refreshing);
    }
    return refreshing;
  }

  async #readMetadata(topics: readonly string[]): Promise<Metadata> {
    const metadata = await this.sendToAny('Metadata', { topics, allowAutoTopicCreation: false });
    this.#controller = metadata.controllerId;
    for (const { nodeId, host, port } of metadata.brokers) this.#addresses.set(nodeId, { host, port });
    for (const { topic, topicErrorCode, partitionMetadata } of metadata.topicMetadata) {
      const leaders: (number | null)[] = [];
      for (const { partitionId, leader } of partitionMetadata) leaders[partitionId] = leader === NO_LEADER ? null : leader;
      this.#topics.set(topic, { errorCode: topicErrorCode, leaders, replicas: partitionMetadata[0]?.replicas.length ?? 0 });
    }
    return metadata;
  }

  #addressOf(node: number): BrokerAddress {
    const address = this.#addresses.get(node);
    if (address === undefined) throw unavailable(`broker ${node} has no address`);
    return address;
  }

  /** Connected ones first: a broker that is away costs a timeout. */
  #inAnyOrder(): BrokerAddress[] {
    const all = new Map([...this.#options.brokers, ...this.#addresses.values()].map((address) => [nameOf(address), address]));
    const shuffled = [...all].map(([name, address]) => ({ address, rank: (this.#connections.has(name) ? 0 : 1) + Math.random() }));
    return shuffled.toSorted((a, b) => a.rank - b.rank).map(({ address }) => address);
  }

  async #with<Answer>(address: BrokerAddress, use: (connection: BrokerConnection) => Promise<Answer>): Promise<Answer> {
    const name = nameOf(address);
    const connecting = this.#connect(address);
    try {
      return await use(await connecting);
    } catch (error) {
      // A connection that failed once is not used again: KafkaJS does not always notice that it is dead.
      if (this.#connections.get(name) === connecting) this.#connections.delete(name);
      void disconnect(connecting);
      throw unavailable(`broker ${name} does not answer`, error);
    }
  }

  #connect(address: BrokerAddress): Promise<BrokerConnection> {
    if (this.#closed) throw new EngineUnavailable('event-log', 'The log is closed.');
    const name = nameOf(address);
    let connecting = this.#connections.get(name);
    if (connecting === undefined) {
      connecting = this.#open(address);
      this.#connections.set(name, connecting);
    }
    return connecting;
  }

  async #open(address: BrokerAddress): Promise<BrokerConnection> {
    const connection = createBrokerConnection(address, this.#options);
    try {
      // KafkaJS never answers when the other side ends the connection in the middle of a TLS handshake.
      const ms = this.#options.connectTimeoutMs + this.#options.requestTimeoutMs;
      const connected = connection.connect().then(() => true);
      if (!(await within(ms, connected, false))) throw new Error(`no connection within ${ms} ms`);
      return connection;
    } catch (error) {
      void connection.disconnect();
      throw error;
    }
  }
}

function nameOf({ host, port }: BrokerAddress): string {
  return `${host}:${port}`;
}

async function disconnect(connecting: Promise<BrokerConnection>): Promise<void> {
  await connecting.then((connection) => connection.disconnect()).catch(() => undefined);
}

function unavailable(what: string, cause?: unknown): EngineUnavailable {
  const because = cause instanceof Error ? `: ${cause.message.replace(/^Kafka: /, '').replace(/\.$/, '')}` : '';
  return new EngineUnavailable('event-log', `Kafka: ${what}${because}.`, cause);
}
