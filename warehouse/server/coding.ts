/** HTTP content codings of both directions: gzip, zstd, br, deflate. */
import type { IncomingMessage } from 'node:http';
import type { Readable, Transform } from 'node:stream';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { fault } from './errors.ts';

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => zlib.createGunzip(),
  deflate: () => zlib.createInflate(),
  br: () => zlib.createBrotliDecompress(),
  zstd: () => zlib.createZstdDecompress(),
};

const gzip = promisify(zlib.gzip);
const deflate = promisify(zlib.deflate);
const brotli = promisify(zlib.brotliCompress);
const zstd = promisify(zlib.zstdCompress);

const ENCODERS: readonly (readonly [string, (bytes: Buffer) => Promise<Buffer>])[] = [
  ['zstd', (bytes) => zstd(bytes)],
  ['gzip', (bytes) => gzip(bytes, { level: 1 })],
  ['br', (bytes) => brotli(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 3 } })],
  ['deflate', (bytes) => deflate(bytes)],
];

/** @param mayWrite a reader's body in a coding that is not served is an insert: no client packs a question in it */
export const decodedBody = (request: IncomingMessage, mayWrite: boolean): Readable => {
  const coding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  if (coding === 'identity' || coding === '') return request;
  const decoder = DECODERS[coding]?.();
  if (decoder === undefined) {
    if (!mayWrite) throw fault(164, 'READONLY', `this user may only read, and a body in ${coding} is an insert`);
    throw fault(
      36,
      'BAD_ARGUMENTS',
      `unknown Content-Encoding ${coding}: gzip, zstd, br or deflate (clickhouse-connect: get_client(compress='zstd'))`,
    );
  }
  request.on('error', (error) => decoder.destroy(error));
  return request.pipe(decoder);
};

/** The first coding of ours that the client accepts; its bytes, else the plain ones. */
export const encodedBody = async (accepts: string, bytes: Buffer): Promise<{ readonly coding: string | null; readonly bytes: Buffer }> => {
  const accepted = new Set(accepts.split(',').map((part) => part.split(';')[0]!.trim().toLowerCase()));
  for (const [coding, encode] of ENCODERS) {
    if (accepted.has(coding)) return { coding, bytes: await encode(bytes) };
  }
  return { coding: null, bytes };
};
