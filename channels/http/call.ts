/** One HTTP request to a peer, with a time limit, without redirects, to an address that was judged beforehand. */
import http from 'node:http';
import https from 'node:https';
import type { LookupFunction } from 'node:net';
import { resolveHost } from './resolve-host.ts';

export interface Call {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly allowPrivate: boolean;
}

export type CallResult =
  | { readonly kind: 'answer'; readonly status: number; readonly retryAfter: string | null; readonly body: string }
  /** Nobody took it, surely. */
  | { readonly kind: 'unsent'; readonly reason: string }
  /** The host is at an address that may not be called. */
  | { readonly kind: 'forbidden'; readonly reason: string }
  /** It left, and nothing came back. */
  | { readonly kind: 'unknown'; readonly reason: string };

const MAX_ANSWER_BYTES = 64 * 1024;

/** Never rejects. */
export const call = async (request: Call): Promise<CallResult> => {
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(request.timeoutMs)]);
  try {
    const resolved = await untilAborted(resolveHost(request.url.hostname, request.allowPrivate), signal);
    if (resolved.kind === 'private') {
      return {
        kind: 'forbidden',
        reason: `${request.url.hostname} is at the private address ${resolved.address}, which may not be called`,
      };
    }
    return await exchange(request, pinned(resolved.addresses), signal);
  } catch (error) {
    return { kind: 'unsent', reason: reasonOf(error, signal) };
  }
};

const untilAborted = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });

/** A second look-up could answer otherwise. */
const pinned =
  (addresses: readonly { readonly address: string; readonly family: number }[]): LookupFunction =>
  (_, options, callback) =>
    options.all === true ? callback(null, [...addresses]) : callback(null, addresses[0]!.address, addresses[0]!.family);

const exchange = (request: Call, lookup: LookupFunction, signal: AbortSignal): Promise<CallResult> =>
  new Promise((resolve) => {
    const { url, method, headers, body } = request;
    let isConnected = false;
    const outgoing = (url.protocol === 'https:' ? https : http).request(
      url,
      { method, headers: { ...headers, ...(body !== null && { 'content-length': String(body.length) }) }, lookup, signal, agent: false },
      (answer) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        const done = (): void =>
          resolve({
            kind: 'answer',
            status: answer.statusCode ?? 0,
            retryAfter: answer.headers['retry-after'] ?? null,
            body: Buffer.concat(chunks).toString('utf8'),
          });
        answer.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes <= MAX_ANSWER_BYTES) chunks.push(chunk);
          else answer.destroy();
        });
        // The status is what counts: an answer that breaks off afterwards is an answer.
        answer.once('close', done);
        answer.on('error', done);
      },
    );
    outgoing.once('socket', (socket) => socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => (isConnected = true)));
    outgoing.on('error', (error) => resolve({ kind: isConnected ? 'unknown' : 'unsent', reason: reasonOf(error, signal) }));
    outgoing.end(body ?? undefined);
  });

const reasonOf = (error: unknown, signal: AbortSignal): string => {
  if (signal.aborted && (signal.reason as Error | undefined)?.name === 'TimeoutError') return 'no answer in time';
  const { message, code } = error as Error & { code?: string };
  return message === '' ? (code ?? 'the connection failed') : message;
};
