/** Posts JSON to a callback: to a checked address, without following anything. */
import { lookup as resolve } from 'node:dns';
import { request as http } from 'node:http';
import { request as https } from 'node:https';
import type { LookupFunction } from 'node:net';
import { faultOfCallback, isPublicAddress } from '#contracts';

export type PostResult =
  | { readonly kind: 'taken' }
  /** A sentence. */
  | { readonly kind: 'failed'; readonly reason: string };

export interface PostOptions {
  readonly url: string;
  readonly body: string;
  /** Private, loopback and link-local addresses are called too. */
  readonly allowPrivate: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Never rejects. A 2xx answer has taken it; a redirect is a failure, since it could lead anywhere. */
export const postCallback = ({ url, body, allowPrivate, timeoutMs, signal }: PostOptions): Promise<PostResult> => {
  const fault = faultOfCallback(url, allowPrivate);
  if (fault !== null) return Promise.resolve({ kind: 'failed', reason: `the callback ${fault}` });
  return new Promise((done) => {
    const fail = (reason: string): void => done({ kind: 'failed', reason });
    const send = url.startsWith('https:') ? https : http;
    const request = send(url, {
      method: 'POST',
      agent: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      lookup: allowPrivate ? resolve : publicLookup,
      headers: { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(body), 'user-agent': 'Attune' },
    });
    request.on('response', (response) => {
      const status = response.statusCode ?? 0;
      response.destroy();
      if (status >= 200 && status < 300) done({ kind: 'taken' });
      else fail(`the callback answered ${status}`);
    });
    request.on('error', (error) => fail(error.message));
    request.end(body);
  });
};

/** The connection goes to the very address that was looked at here, so that a name cannot change its mind in between. */
const publicLookup: LookupFunction = (host, options, done) => {
  resolve(host, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return done(error, []);
    const refused = addresses.find(({ address }) => !isPublicAddress(address));
    if (refused !== undefined) return done(new Error(`${host} leads to the private address ${refused.address}`), []);
    if (options.all === true) return done(null, addresses);
    const [first] = addresses;
    if (first === undefined) return done(new Error(`${host} has no address`), []);
    done(null, first.address, first.family);
  });
};
