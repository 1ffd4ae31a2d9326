/** Where Redis is: one URL, or those of several nodes of a Redis Cluster with commas between. */
import { readFileSync } from 'node:fs';
import { AttuneError } from '#contracts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What is the same for every node. */
export interface Access {
  readonly username?: string;
  readonly password?: string;
  readonly db?: number;
  readonly tls?: { readonly ca?: Buffer; readonly servername?: string };
}

export interface Place {
  readonly addresses: readonly Address[];
  readonly access: Access;
}

/**
 * redis://user:password@host:6379/0, or rediss:// for TLS; of several, the first says who we are.
 * @param caFile PEM of the authority that signed the servers' certificates, where the system does not know it
 */
export const parsePlace = (urls: string, caFile?: string): Place => {
  const parsed = urls
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map(parseUrl);
  const first = parsed[0];
  if (first === undefined) throw new AttuneError('redis.url', 'no Redis is named; give redis://host:6379 (REDIS_URL)');
  if (parsed.some(({ protocol }) => protocol !== first.protocol))
    throw new AttuneError('redis.url', 'all nodes of one Redis are reached alike: redis:// for all, or rediss:// for all');
  const db = Number(first.pathname.slice(1) || '0');
  if (!Number.isInteger(db) || db < 0) throw new AttuneError('redis.url', `a Redis database is a number, not ${first.pathname.slice(1)}`);
  return {
    addresses: parsed.map(({ hostname, port }) => ({ host: hostname.replaceAll(/^\[|\]$/g, ''), port: port === '' ? 6379 : Number(port) })),
    access: {
      ...(first.username === '' ? {} : { username: decodeURIComponent(first.username) }),
      ...(first.password === '' ? {} : { password: decodeURIComponent(first.password) }),
      ...(db === 0 ? {} : { db }),
      ...(first.protocol === 'rediss:' ? { tls: caFile === undefined ? {} : { ca: readFileSync(caFile) } } : {}),
    },
  };
};

/** The text may hold a password: it is never repeated. */
const parseUrl = (text: string): URL => {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !(url.protocol === 'redis:' || url.protocol === 'rediss:') || url.hostname === '')
    throw new AttuneError(
      'redis.url',
      'a Redis is named by redis://[user:password@]host[:port][/db] or rediss://…; this is something else',
    );
  return url;
};
