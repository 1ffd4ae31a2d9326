/** One Redis node: a connection for what a decision waits for, and one for the long pipelines of the pipeline. */
import { Redis, type RedisOptions } from 'ioredis';
import type { Access, Address } from './addresses.ts';

export type Argument = string | Buffer | number;

export interface Node {
  /** host:port */
  readonly name: string;
  readonly address: Address;
  /** Few small commands, each with a short time to answer. */
  readonly fast: Redis;
  /** Pipelines of any length. */
  readonly bulk: Redis;
  /** Why the client has no connection; null while it has one. For messages. */
  fault(client: Redis): string | null;
  close(): void;
}

export interface NodeOptions {
  readonly access: Access;
  /** A read that takes longer has failed: less than the decision's deadline, so that there is time to decide without it. */
  readonly readTimeoutMs: number;
  /** Silence in the middle of a pipeline that ends the connection. */
  readonly silenceMs: number;
}

export const nameOf = ({ host, port }: Address): string => `${host}:${port}`;

const CONNECT_MS = 2_000;
const RETRY_MS = 50;
const MAX_RETRY_MS = 1_000;

/** @param onClose of the bulk connection, the one that writes */
export const openNode = (address: Address, { access, readTimeoutMs, silenceMs }: NodeOptions, onClose: (node: Node) => void): Node => {
  const faults = new Map<Redis, string>();
  const options = {
    ...access,
    ...address,
    protocol: 2 as const,
    // Nothing waits for a server that is away, and nothing is sent twice: the caller is told at once, and knows what to do.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_MS,
    retryStrategy: (times: number) => Math.min(RETRY_MS * 2 ** Math.min(times, 10), MAX_RETRY_MS),
    // A master that became a replica behind the same address: find out who is the master now. Redis 6 names the script first.
    reconnectOnError: ({ message }: Error) => message.includes('READONLY'),
  } satisfies RedisOptions;
  const fast = new Redis({ ...options, commandTimeout: readTimeoutMs, socketTimeout: silenceMs, connectionName: 'attune-read' });
  const bulk = new Redis({ ...options, socketTimeout: silenceMs, connectionName: 'attune-write' });
  const node: Node = {
    name: nameOf(address),
    address,
    fast,
    bulk,
    fault: (client) => (client.status === 'ready' ? null : (faults.get(client) ?? null)),
    close: () => {
      fast.disconnect();
      bulk.disconnect();
    },
  };
  for (const client of [fast, bulk]) {
    client.on('error', (error: Error) => faults.set(client, error.message));
    client.on('ready', () => faults.delete(client));
  }
  bulk.on('close', () => onClose(node));
  return node;
};

/** Rejects with the last fault when it takes longer. */
export const whenReady = (node: Node, withinMs: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const clients = [node.fast, node.bulk];
    const look = (): void => {
      if (clients.every(({ status }) => status === 'ready')) done();
    };
    const fault = (): string | undefined => clients.map((client) => node.fault(client)).find((each) => each !== null) ?? undefined;
    const timer = setTimeout(() => done(new Error(fault() ?? `no answer within ${withinMs} ms`)), withinMs);
    const done = (error?: Error): void => {
      clearTimeout(timer);
      for (const client of clients) client.off('ready', look);
      if (error === undefined) resolve();
      else reject(error);
    };
    for (const client of clients) client.on('ready', look);
    look();
  });
