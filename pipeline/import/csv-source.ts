/** Rows of a CSV file (RFC 4180, UTF-8, any of `,` `;` tab between fields), read in pieces; a bad row is told and the next one goes on. */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { AttuneError } from '#contracts';
import type { Source, SourceRecord } from './source.ts';

/** A quote that is not closed would swallow the rest of the file. */
const MOST_CHARACTERS = 1_000_000;
const PIECE_BYTES = 256 * 1_024;
const DELIMITERS = [',', ';', '\t'];

/** Throws `import.file` when the file has no header. @param delimiter null: the one that the header has most of */
export const openCsv = async (path: string, delimiter: string | null = null): Promise<Source> => {
  const { size } = await stat(path);
  const header = await readHeader(path);
  const between = delimiter ?? mostFrequent(header);
  const columns = parseCsv(`${header}\n`, between, true).records[0]?.values.map((name) => String(name).trim()) ?? [];
  if (columns.every((name) => name === '')) {
    throw new AttuneError('import.file', `${path} has no header: its first line must name the columns`);
  }
  return {
    columns,
    rows: null,
    async *records(afterLine) {
      let read = 0;
      let rest = '';
      let line = 1;
      const decoder = new TextDecoder('utf-8');
      const take = (text: string, isEnd: boolean): readonly SourceRecord[] => {
        const parsed = parseCsv(text, between, isEnd, line);
        rest = text.slice(parsed.consumed);
        line = parsed.line;
        return parsed.records
          .filter((record) => record.line > Math.max(1, afterLine))
          .map((record) => (record.fault === null ? checkWidth(record, columns.length) : record));
      };
      for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES }) as AsyncIterable<Buffer>) {
        read += piece.length;
        const records = take(rest + decoder.decode(piece, { stream: true }), false);
        if (records.length > 0) yield { records, share: read / size };
      }
      const last = take(rest + decoder.decode(), true);
      if (last.length > 0) yield { records: last, share: 1 };
    },
  };
};

const readHeader = async (path: string): Promise<string> => {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(PIECE_BYTES), 0, PIECE_BYTES, 0);
    return new TextDecoder('utf-8').decode(buffer.subarray(0, bytesRead)).split(/\r?\n/, 1)[0]!;
  } finally {
    await file.close();
  }
};

const mostFrequent = (header: string): string =>
  DELIMITERS.map((delimiter) => ({ delimiter, count: header.split(delimiter).length })).toSorted((a, b) => b.count - a.count)[0]!.delimiter;

const checkWidth = (record: SourceRecord, width: number): SourceRecord =>
  record.values.length === width ? record : { ...record, fault: `has ${record.values.length} fields where the header names ${width}` };

interface Parsed {
  readonly records: readonly SourceRecord[];
  /** Characters that the records took. */
  readonly consumed: number;
  /** Of what comes next. */
  readonly line: number;
}

/** The whole rows at the beginning of a text. Empty lines are no rows. @param isEnd nothing comes after the text */
export const parseCsv = (text: string, delimiter: string, isEnd: boolean, firstLine = 1): Parsed => {
  const records: SourceRecord[] = [];
  let at = 0;
  let line = firstLine;
  while (at < text.length) {
    const newline = text.indexOf('\n', at);
    if (newline < 0 && !isEnd) break;
    const end = newline < 0 ? text.length : newline;
    const plain = text.slice(at, text[end - 1] === '\r' && end > at ? end - 1 : end);
    if (!plain.includes('"')) {
      if (plain !== '') records.push(rowOf(line, plain.split(delimiter)));
      at = end + 1;
      line++;
      continue;
    }
    const quoted = parseQuoted(text, at, delimiter, isEnd);
    if (quoted === 'more') {
      if (text.length - at < MOST_CHARACTERS && !isEnd) break;
      records.push({ line, values: [plain], fault: 'opens a quote that is not closed' });
      at = end + 1;
      line++;
      continue;
    }
    records.push(quoted.fault === null ? rowOf(line, quoted.values) : { line, values: [plain], fault: quoted.fault });
    for (let i = at; i < quoted.end && i < text.length; i++) if (text[i] === '\n') line++;
    at = quoted.end;
  }
  return { records, consumed: Math.min(at, text.length), line };
};

const rowOf = (line: number, values: readonly string[]): SourceRecord => ({
  line,
  values,
  fault: values.some((value) => value.includes('\uFFFD')) ? 'is not UTF-8' : null,
});

interface Quoted {
  readonly values: readonly string[];
  /** After the row's newline. */
  readonly end: number;
  readonly fault: string | null;
}

/** 'more': the text ends within the row. */
const parseQuoted = (text: string, from: number, delimiter: string, isEnd: boolean): Quoted | 'more' => {
  const values: string[] = [];
  let at = from;
  for (;;) {
    let value = '';
    if (text[at] === '"') {
      at++;
      for (;;) {
        const quote = text.indexOf('"', at);
        if (quote < 0) return 'more';
        value += text.slice(at, quote);
        at = quote + 1;
        if (text[at] !== '"') break;
        value += '"';
        at++;
      }
      if (at >= text.length && !isEnd) return 'more';
    } else {
      const start = at;
      while (at < text.length && text[at] !== delimiter && text[at] !== '\n' && text[at] !== '"') at++;
      if (at >= text.length && !isEnd) return 'more';
      value = text.slice(start, at);
      if (value.endsWith('\r') && text[at] === '\n') value = value.slice(0, -1);
    }
    values.push(value);
    if (text[at] === delimiter) {
      at++;
      continue;
    }
    if (text[at] === '\r' && text[at + 1] === '\n') at++;
    else if (text[at] === '\r' && at + 1 >= text.length && !isEnd) return 'more';
    if (at >= text.length) return { values, end: at, fault: null };
    if (text[at] === '\n') return { values, end: at + 1, fault: null };
    const newline = text.indexOf('\n', at);
    if (newline < 0 && !isEnd) return 'more';
    return {
      values,
      end: newline < 0 ? text.length : newline + 1,
      fault: 'has a quote where none may be (inside a field, or text after a closing quote)',
    };
  }
};
