/** Turns what an operator says of a connection into what KafkaJS and our own clusters take. */
import { Kafka, logLevel } from 'kafkajs';
import { AttuneError } from '#contracts';
import { Cluster } from './cluster.ts';
import type { BrokerAddress } from './kafkajs-insides.ts';
import type { KafkaConnection } from './settings.ts';

const CONNECT_TIMEOUT_MS = 3_000;
export const REQUEST_TIMEOUT_MS = 5_000;

export function createCluster(connection: KafkaConnection): Cluster {
  return new Cluster({
    brokers: connection.brokers.map(parseAddress),
    clientId: connection.clientId ?? 'attune',
    ssl: connection.ssl ?? null,
    sasl: connection.sasl ?? null,
    connectTimeoutMs: connection.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    requestTimeoutMs: connection.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
  });
}

/** KafkaJS by its front door, for what an administrator does. */
export function createKafka(connection: KafkaConnection): Kafka {
  return new Kafka({
    brokers: [...connection.brokers],
    clientId: connection.clientId ?? 'attune',
    connectionTimeout: connection.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    logLevel: logLevel.NOTHING,
    ...(connection.ssl ? { ssl: connection.ssl } : {}),
    ...(connection.sasl ? { sasl: connection.sasl } : {}),
  });
}

/** IPv6 addresses stand in brackets. */
function parseAddress(broker: string): BrokerAddress {
  const match = /^(?:\[(?<six>[^\]]+)\]|(?<host>[^:]+)):(?<port>\d+)$/.exec(broker.trim());
  const host = match?.groups?.['six'] ?? match?.groups?.['host'];
  if (host === undefined) throw new AttuneError('event-log.brokers', `A Kafka broker is written host:port, not ${JSON.stringify(broker)}.`);
  return { host, port: Number(match!.groups!['port']) };
}
