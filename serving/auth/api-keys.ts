/** API keys with scopes: parsed from ATTUNE_API_KEYS, kept as SHA-256, compared in constant time. */
import { hash, timingSafeEqual } from 'node:crypto';
import { AttuneError } from '#contracts';

export const SCOPES = ['decide', 'observe', 'read', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export interface ApiKey {
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  /** SHA-256 of the secret. */
  readonly digest: Buffer;
}

const SHORTEST_SECRET = 16;

/**
 * `name:scope+scope:secret`, separated by commas; the secret may hold colons.
 * Throws `api-keys.invalid` with every fault, never with a secret.
 */
export const parseApiKeys = (text: string): readonly ApiKey[] => {
  const faults: string[] = [];
  const keys: ApiKey[] = [];
  const names = new Set<string>();
  for (const [index, entry] of text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .entries()) {
    const [name = '', scopeText = '', ...rest] = entry.split(':');
    const secret = rest.join(':');
    const label = `key ${index + 1}${/^[\w.-]{1,60}$/.test(name) ? ` (${name})` : ''}`;
    const scopes = scopeText.split('+');
    const unknown = scopes.filter((scope) => !(SCOPES as readonly string[]).includes(scope));
    if (!/^[\w.-]{1,60}$/.test(name)) faults.push(`${label} needs a name of letters, digits, '.', '_', '-'`);
    if (names.has(name)) faults.push(`${label} is there twice`);
    if (unknown.length > 0) faults.push(`${label} has a scope that is none of ${SCOPES.join(', ')}`);
    if (secret.length < SHORTEST_SECRET) faults.push(`${label} needs a secret of at least ${SHORTEST_SECRET} characters`);
    names.add(name);
    keys.push({ name, scopes: new Set(scopes as Scope[]), digest: hash('sha256', secret, 'buffer') });
  }
  if (faults.length > 0) {
    throw new AttuneError('api-keys.invalid', `ATTUNE_API_KEYS (name:scope+scope:secret,...): ${faults.join('; ')}`);
  }
  return keys;
};

/** Looks at every key whatever it finds, so that time tells nothing. */
export const findApiKey = (keys: readonly ApiKey[], secret: string): ApiKey | null => {
  const digest = hash('sha256', secret, 'buffer');
  let found: ApiKey | null = null;
  for (const key of keys) {
    if (timingSafeEqual(key.digest, digest)) found = key;
  }
  return found;
};

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\]|::ffff:127(\.\d{1,3}){3})$/i;

/** Null when the API may open there; else why not. */
export const refusalToOpen = (host: string, keys: readonly ApiKey[]): string | null =>
  keys.length > 0 || LOOPBACK.test(host)
    ? null
    : `ATTUNE_HOST is ${host}, which others can reach, and ATTUNE_API_KEYS is empty; set keys (name:scope+scope:secret) or bind to 127.0.0.1`;
