/** Which node has a bucket, of one Redis or of a Redis Cluster; learned from the nodes, and again when one says that it moved. */
import { setTimeout as delay } from 'node:timers/promises';
import { AttuneError, EngineUnavailable } from '#contracts';
import type { Address, Place } from './addresses.ts';
import { BUCKETS, slotOf } from './buckets.ts';
import { nameOf, openNode, whenReady, type Node, type NodeOptions } from './node.ts';

export interface Nodes {
  readonly isCluster: boolean;
  of(bucket: number): Node;
  /** A node that an answer named, known or new. */
  at(address: string): Node;
  /** Those that have buckets. */
  owners(): readonly Node[];
  /** Asks the nodes anew; callers at the same time share one question. */
  refresh(): Promise<void>;
  close(): void;
}

export interface NodesOptions extends Omit<NodeOptions, 'access'> {
  readonly place: Place;
  readonly openTimeoutMs: number;
  /** A writing connection ended. */
  readonly onClose: (node: Node) => void;
  /** Buckets have other owners than before. */
  readonly onMove: () => void;
}

const REFRESH_MS = 10_000;
/** Between two questions of who has what. */
const PAUSE_MS = 100;

const SLOTS = Array.from({ length: BUCKETS }, (_, bucket) => slotOf(bucket));

export const openNodes = async (options: NodesOptions): Promise<Nodes> => {
  const { place, openTimeoutMs, onMove } = options;
  const known = new Map<string, Node>();
  const at = (address: Address): Node => {
    const found = known.get(nameOf(address));
    if (found !== undefined) return found;
    const node = openNode(address, { ...options, access: place.access }, options.onClose);
    known.set(node.name, node);
    return node;
  };
  const close = (): void => {
    for (const node of known.values()) node.close();
  };
  for (const address of place.addresses) at(address);

  try {
    const first = await firstReady([...known.values()], openTimeoutMs);
    refuseOld(first.name, await first.bulk.info('server'));
    const isCluster = await asksForCluster(first);
    if (!isCluster) {
      if (place.addresses.length > 1)
        throw new AttuneError(
          'redis.cluster',
          `${place.addresses.length} addresses were given, and ${first.name} is no Redis Cluster; give one`,
        );
      return { isCluster, of: () => first, at: () => first, owners: () => [first], refresh: async () => {}, close };
    }
    let owners = await ask(first, at);
    await Promise.all([...new Set(owners)].map((node) => whenReady(node, openTimeoutMs)));
    let asking: Promise<void> | undefined;
    let isClosed = false;
    const refresh = async (): Promise<void> => {
      const next = await askAny(known, at);
      if (isClosed) return;
      if (next === null) {
        // All may have other addresses by now: who was named at the start is asked once more, by the name that was given.
        for (const address of place.addresses) at(address);
        return;
      }
      const moved = next.some((node, bucket) => node !== owners[bucket]);
      owners = next;
      const used = new Set(owners);
      for (const [name, node] of known) {
        if (used.has(node)) continue;
        known.delete(name);
        node.close();
      }
      if (moved) onMove();
    };
    const sharedRefresh = (): Promise<void> =>
      (asking ??= refresh()
        .then(() => delay(PAUSE_MS, undefined, { ref: false }))
        .finally(() => (asking = undefined)));
    const timer = setInterval(() => void sharedRefresh(), REFRESH_MS).unref();
    return {
      isCluster,
      of: (bucket) => owners[bucket]!,
      at: (address) => at(parseAddress(address)),
      owners: () => [...new Set(owners)],
      refresh: sharedRefresh,
      close: () => {
        isClosed = true;
        clearInterval(timer);
        close();
      },
    };
  } catch (error) {
    close();
    throw error instanceof AttuneError ? error : unreachable(place, error);
  }
};

/** `redis.refused`, which an operator has to mend, where it is there and does not know us, or we do not know it; else it may come. */
const unreachable = ({ addresses }: Place, cause: unknown): AttuneError => {
  const reason = reasonOf(cause);
  const sentence = `Redis at ${addresses.map(nameOf).join(', ')} cannot be used: ${reason};`;
  if (LOGIN.test(reason))
    return new AttuneError('redis.refused', `${sentence} are user and password right (REDIS_URL)?`, { retriable: true, cause });
  if (CERTIFICATE.test(reason))
    return new AttuneError('redis.refused', `${sentence} is its authority's certificate given (REDIS_TLS_CA)?`, { retriable: true, cause });
  return new EngineUnavailable('feature-store', `${sentence} is it running, and is its URL right (REDIS_URL)?`, cause);
};

/** In Redis' own words. */
const LOGIN = /\b(WRONGPASS|NOAUTH|NOPERM)\b|invalid (password|username)/i;
/** In OpenSSL's. */
const CERTIFICATE = /certificate/i;

const reasonOf = (error: unknown): string =>
  error instanceof AggregateError ? (error.errors as Error[]).map(({ message }) => message).join('; ') : (error as Error).message;

/** Older ones lack commands that we send. A server that does not tell its version is taken at its word. */
const refuseOld = (name: string, info: string): void => {
  const version = /^redis_version:(\d+)\.(\d+)\S*/m.exec(info);
  const [major, minor] = [Number(version?.[1]), Number(version?.[2])];
  if (major < 6 || (major === 6 && minor < 2))
    throw new AttuneError('redis.version', `Redis at ${name} is ${version![0].slice('redis_version:'.length)}; 6.2 or later is needed`);
};

const firstReady = (nodes: readonly Node[], withinMs: number): Promise<Node> =>
  Promise.any(nodes.map((node) => whenReady(node, withinMs).then(() => node)));

const asksForCluster = async ({ bulk }: Node): Promise<boolean> => /cluster_enabled:1/.test(await bulk.info('cluster'));

type SlotRange = readonly [first: number, last: number, master: readonly [host: string | null, port: number, ...unknown[]], ...unknown[]];

const ask = async (node: Node, at: (address: Address) => Node): Promise<readonly Node[]> => {
  const ranges = (await node.bulk.cluster('SLOTS')) as unknown as readonly SlotRange[];
  return SLOTS.map((slot, bucket) => {
    const range = ranges.find(([first, last]) => first <= slot && slot <= last);
    if (range === undefined)
      throw new EngineUnavailable('feature-store', `the Redis Cluster at ${node.name} has no node for slot ${slot} (bucket ${bucket})`);
    const [host, port] = range[2];
    // A node that does not know its own name is the one that was asked.
    return at({ host: host === null || host === '' ? node.address.host : host, port });
  });
};

/** Null: nobody could say. */
const askAny = async (known: ReadonlyMap<string, Node>, at: (address: Address) => Node): Promise<readonly Node[] | null> => {
  for (const node of known.values()) {
    if (node.bulk.status !== 'ready') continue;
    try {
      return await ask(node, at);
    } catch {
      // The next one may know.
    }
  }
  return null;
};

const parseAddress = (text: string): Address => {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
};
