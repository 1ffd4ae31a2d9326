/** What an opened Kafka log is told: where Kafka is, how its names begin, how long it waits. */
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { SASLOptions } from 'kafkajs';
import type { Topic } from '#contracts';

export interface KafkaConnection {
  /** host:port of some brokers; the others are found. */
  readonly brokers: readonly string[];
  /** Names us in the brokers' logs and quotas. Default 'attune'. */
  readonly clientId?: string;
  /** As Node's tls.connect takes them; null: no TLS. */
  readonly ssl?: TlsOptions | null;
  readonly sasl?: SASLOptions | null;
  /** Default 3,000. */
  readonly connectTimeoutMs?: number;
  /** A broker that does not answer a request for so long is taken for dead. Default 5,000. */
  readonly requestTimeoutMs?: number;
}

/**
 * Between our bytes and those in Kafka: a schema registry's framing. What `toWire` rejects with, `append` rejects with; what `fromWire`
 * rejects is fetched again, so that it should pass on what it does not know.
 */
export interface Wire {
  toWire(topic: Topic, value: Buffer): Buffer | Promise<Buffer>;
  fromWire(topic: Topic, value: Buffer): Buffer | Promise<Buffer>;
}

export interface KafkaLogOptions {
  readonly connection: KafkaConnection;
  /** Before the name of every topic and group: several systems in one cluster. Default ''. */
  readonly topicPrefix?: string;
  readonly wire?: Wire;
  /** An append that is not durable after so long is given up. Default 10,000. */
  readonly appendTimeoutMs?: number;
  /** A member that is not heard for so long loses its partitions. Default 10,000. */
  readonly sessionTimeoutMs?: number;
  /**
   * Called once when the log was given more partitions while it is open here: appends are refused and consumers are stopped from then on,
   * and the process should begin anew.
   */
  readonly onSuperseded?: () => void;
  /** Default 1,000: a rebalance is noticed after at most so long. */
  readonly heartbeatMs?: number;
}
