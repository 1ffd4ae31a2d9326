/** What no adapter takes: ids and words of another form, times that are no time, lists without end. */
import { AttuneError } from '#contracts';
import { END_OF_TIME_MS } from './document-codec.ts';
import type { DocumentQuery, DocumentWrite } from './documents.ts';

const MAX_ID_BYTES = 128;
const KEY_BYTES = 16;
const MAX_LIMIT = 1_000;
const WORD = /^[A-Za-z0-9_.-]{1,64}$/;

export const refuseWrongDocument = (kind: string, { id, customerKey, state, atMs, dueMs }: DocumentWrite): void => {
  refuseWrongId(kind, id);
  refuseWrongWord('state', state);
  refuseWrongKey(customerKey);
  for (const ms of [atMs, dueMs ?? 0]) {
    if (!(Number.isSafeInteger(ms) && ms >= 0 && ms < END_OF_TIME_MS))
      throw new AttuneError('document.time', `a document's times are whole milliseconds since 1970, not ${ms}`);
  }
};

export const refuseWrongId = (kind: string, id: string): void => {
  refuseWrongWord('kind', kind);
  if (id === '' || id.includes('\0') || Buffer.byteLength(id) > MAX_ID_BYTES)
    throw new AttuneError(
      'document.id',
      `a document's id has 1 to ${MAX_ID_BYTES} bytes of UTF-8, none of them 0; this one is ${JSON.stringify(id)}`,
    );
};

export const refuseWrongQuery = (kind: string, { customerKey, state, fromMs = 0, toMs = 0, offset = 0, limit }: DocumentQuery): void => {
  refuseWrongWord('kind', kind);
  if (state !== undefined) refuseWrongWord('state', state);
  refuseWrongKey(customerKey ?? null);
  if (Number.isNaN(fromMs) || Number.isNaN(toMs)) throw new AttuneError('document.time', 'the bounds of a list of documents are numbers');
  if (!(Number.isSafeInteger(offset) && offset >= 0))
    throw new AttuneError('document.offset', `a list of documents begins at a whole number from 0, not at ${offset}`);
  refuseWrongLimit(limit);
};

const refuseWrongLimit = (limit: number): void => {
  if (!(Number.isSafeInteger(limit) && limit >= 0 && limit <= MAX_LIMIT))
    throw new AttuneError('document.limit', `a list of documents has at most ${MAX_LIMIT}, not ${limit}`);
};

export const refuseWrongKey = (customerKey: Buffer | null): void => {
  if (customerKey !== null && customerKey.length !== KEY_BYTES)
    throw new AttuneError('document.customer', `a customer key has ${KEY_BYTES} bytes, this one ${customerKey.length}`);
};

const refuseWrongWord = (what: 'kind' | 'state', word: string): void => {
  if (!WORD.test(word))
    throw new AttuneError(
      `document.${what}`,
      `the ${what} of a document is one word of at most 64 letters, digits, dots, hyphens and underscores, not ${JSON.stringify(word)}`,
    );
};
