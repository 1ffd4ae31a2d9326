/** Counts the rows of CSV text that passes through; a line break within quotes ends no row. */
import { Transform } from 'node:stream';

const QUOTE = 0x22;
const NEW_LINE = 0x0a;

export interface CsvCounter extends Transform {
  /** Without the header. */
  rows(): number;
}

export const countCsvRows = (): CsvCounter => {
  let isQuoted = false;
  let lines = 0;
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      // A doubled quote within quotes leaves them and enters them again.
      for (const byte of chunk) {
        if (byte === QUOTE) isQuoted = !isQuoted;
        else if (byte === NEW_LINE && !isQuoted) lines++;
      }
      done(null, chunk);
    },
  });
  return Object.assign(counter, { rows: () => Math.max(0, lines - 1) });
};
