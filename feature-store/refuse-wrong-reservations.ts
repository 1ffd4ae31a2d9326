/** What no adapter takes: names and holders of another length, times that are no time, places that cannot be counted. */
import { AttuneError } from '#contracts';
import { END_OF_TIME_MS } from './document-codec.ts';

const MAX_NAME_BYTES = 256;
const MAX_HOLDER_BYTES = 64;

export const refuseWrongReservation = (name: string, holder: Buffer, times: readonly number[], max: number): void => {
  if (name === '' || Buffer.byteLength(name) > MAX_NAME_BYTES)
    throw new AttuneError(
      'reservation.name',
      `a reservation's name has 1 to ${MAX_NAME_BYTES} bytes of UTF-8, not ${JSON.stringify(name)}`,
    );
  if (holder.length === 0 || holder.length > MAX_HOLDER_BYTES)
    throw new AttuneError('reservation.holder', `who holds a place has 1 to ${MAX_HOLDER_BYTES} bytes, not ${holder.length}`);
  for (const ms of times) {
    if (!(Number.isSafeInteger(ms) && ms >= 0 && ms < END_OF_TIME_MS))
      throw new AttuneError('reservation.time', `a reservation's times are whole milliseconds since 1970, not ${ms}`);
  }
  if (!(Number.isSafeInteger(max) && max >= 0))
    throw new AttuneError('reservation.max', `the places are counted in whole numbers from 0, not ${max}`);
};
