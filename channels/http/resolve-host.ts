/** The addresses of a host that may be called: what a name stands for is judged after it was resolved, and what was judged is what is called. */
import { lookup } from 'node:dns/promises';
import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { isPublicAddress } from '#contracts';

export type Resolved =
  | { readonly kind: 'resolved'; readonly addresses: readonly LookupAddress[] }
  | { readonly kind: 'private'; readonly address: string };

/** Rejects when the name stands for nothing. One private address among public ones is enough to refuse the host. */
export const resolveHost = async (host: string, allowPrivate: boolean): Promise<Resolved> => {
  const bare = host.replace(/^\[|\]$/g, '');
  const family = isIP(bare);
  const addresses = family === 0 ? await lookup(bare, { all: true }) : [{ address: bare, family }];
  const forbidden = allowPrivate ? undefined : addresses.find(({ address }) => !isPublicAddress(address));
  return forbidden === undefined ? { kind: 'resolved', addresses } : { kind: 'private', address: forbidden.address };
};
