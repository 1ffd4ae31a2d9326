/** What `attune doctor` says of a Redis: whether it can keep the feature store, and what is to be changed there. */
import type { Redis } from 'ioredis';
import { parsePlace } from './addresses.ts';
import { openNodes } from './nodes.ts';

export interface RedisFinding {
  /** `fault`: Attune does not work, or loses what it must not. `note`: it works, with a limit that the text names. */
  readonly state: 'ok' | 'note' | 'fault';
  readonly text: string;
}

export interface CheckRedisOptions {
  readonly url: string;
  readonly caFile?: string;
  /** Default 5,000. */
  readonly openTimeoutMs?: number;
}

const ok = (text: string): RedisFinding => ({ state: 'ok', text });
const note = (text: string): RedisFinding => ({ state: 'note', text });
const fault = (text: string): RedisFinding => ({ state: 'fault', text });

/** Of every node. Never rejects: what cannot be reached is a finding. */
export const checkRedis = async ({ url, caFile, openTimeoutMs = 5_000 }: CheckRedisOptions): Promise<readonly RedisFinding[]> => {
  try {
    const nodes = await openNodes({
      place: parsePlace(url, caFile),
      readTimeoutMs: openTimeoutMs,
      silenceMs: openTimeoutMs,
      openTimeoutMs,
      onClose: () => {},
      onMove: () => {},
    });
    try {
      const owners = nodes.owners();
      const cluster = nodes.isCluster ? await checkCluster(owners[0]!.bulk, owners.length) : [];
      const each = await Promise.all(owners.map(({ name, bulk }) => checkNode(name, bulk)));
      return [...cluster, ...each.flat()];
    } finally {
      nodes.close();
    }
  } catch (error) {
    return [fault((error as Error).message)];
  }
};

const checkCluster = async (redis: Redis, masters: number): Promise<RedisFinding[]> => {
  const info = await redis.cluster('INFO');
  const state = fieldOf(info, 'cluster_state');
  if (state !== 'ok') return [fault(`the Redis Cluster says cluster_state:${state}; look at CLUSTER NODES for the node that is missing`)];
  return [ok(`Redis Cluster of ${masters} masters, all slots served`)];
};

const checkNode = async (name: string, redis: Redis): Promise<RedisFinding[]> => {
  try {
    const info = await redis.info();
    return [
      ...checkVersion(name, info),
      await checkScripts(name, redis),
      ...(await checkPersistence(name, info, redis)),
      await checkEviction(name, info, redis),
    ];
  } catch (error) {
    return [fault(`Redis at ${name}: ${(error as Error).message}`)];
  }
};

const checkVersion = (name: string, info: string): RedisFinding[] => {
  const version = fieldOf(info, 'redis_version') ?? 'unknown';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 2)) return [fault(`Redis at ${name} is version ${version}; 6.2 or later is needed`)];
  const role = fieldOf(info, 'role');
  if (role !== 'master') return [fault(`Redis at ${name} is a ${role}; give the address of the master`)];
  return [ok(`Redis ${version} at ${name}`)];
};

const checkScripts = async (name: string, redis: Redis): Promise<RedisFinding> => {
  const answer = await redis.eval('return 1', 0).catch((error: Error) => error.message);
  return answer === 1
    ? ok(`Redis at ${name} runs scripts`)
    : fault(`Redis at ${name} does not let us run scripts (${String(answer)}); allow EVAL, EVALSHA and their commands for our user`);
};

const checkPersistence = async (name: string, info: string, redis: Redis): Promise<RedisFinding[]> => {
  const findings: RedisFinding[] = [];
  if (fieldOf(info, 'aof_enabled') === '1') {
    const sync = await settingOf(redis, 'appendfsync');
    if (sync === 'no')
      findings.push(
        note(`Redis at ${name} has appendfsync no: a crash may lose more than the five seconds that are made good; set everysec`),
      );
    else findings.push(ok(`Redis at ${name} keeps an append-only file (appendfsync ${sync ?? 'unknown'})`));
    if ((await settingOf(redis, 'aof-use-rdb-preamble')) === 'no')
      findings.push(note(`Redis at ${name} has aof-use-rdb-preamble no: rewriting its file after an erasure takes longer`));
  } else {
    findings.push(
      fault(
        `Redis at ${name} has no append-only file: a restart loses all customers, until attune rebuild; set appendonly yes (a managed Redis with replicas may do without)`,
      ),
    );
  }
  if (fieldOf(info, 'aof_last_write_status') === 'err')
    findings.push(fault(`Redis at ${name} cannot write its append-only file; is its disk full?`));
  return findings;
};

const checkEviction = async (name: string, info: string, redis: Redis): Promise<RedisFinding> => {
  const policy = fieldOf(info, 'maxmemory_policy') ?? (await settingOf(redis, 'maxmemory-policy'));
  const limit = fieldOf(info, 'maxmemory');
  if (limit !== '0' && policy !== 'noeviction')
    return fault(
      `Redis at ${name} drops keys when its memory is full (maxmemory-policy ${policy}): customers would be forgotten; set noeviction`,
    );
  if (limit === '0') return ok(`Redis at ${name} never drops keys; it has no maxmemory, so watch the machine's memory`);
  return ok(`Redis at ${name} never drops keys (maxmemory ${limit} bytes, noeviction)`);
};

const fieldOf = (info: string, field: string): string | undefined => new RegExp(`^${field}:(.*)$`, 'm').exec(info)?.[1]?.trim();

/** Undefined: a managed Redis does not say. */
const settingOf = async (redis: Redis, name: string): Promise<string | undefined> =>
  ((await redis.config('GET', name).catch(() => [])) as string[])[1];
