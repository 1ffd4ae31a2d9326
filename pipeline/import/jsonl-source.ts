/** Rows of a JSON Lines file: one object a line, whose names are the columns; a bad line is told and the next one goes on. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { AttuneError } from '#contracts';
import type { Source, SourceRecord } from './source.ts';

const BATCH = 1_000;
/** Columns are those that the first lines name. */
const LOOKED_AT = 1_000;

/** Throws `import.file` when no line is an object. A name that the first thousand lines do not have is not read. */
export const openJsonl = async (path: string): Promise<Source> => {
  const { size } = await stat(path);
  const columns = await namesIn(path);
  if (columns.length === 0) throw new AttuneError('import.file', `${path} has no line that is a JSON object`);
  return {
    columns,
    rows: null,
    async *records(afterLine) {
      let read = 0;
      let batch: SourceRecord[] = [];
      for await (const { line, text } of linesOf(path)) {
        read += Buffer.byteLength(text) + 1;
        if (line <= afterLine || text.trim() === '') continue;
        batch.push(recordOf(line, text, columns));
        if (batch.length < BATCH) continue;
        yield { records: batch, share: Math.min(1, read / size) };
        batch = [];
      }
      if (batch.length > 0) yield { records: batch, share: 1 };
    },
  };
};

async function* linesOf(path: string): AsyncIterable<{ readonly line: number; readonly text: string }> {
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity })) yield { line: ++line, text };
}

const namesIn = async (path: string): Promise<readonly string[]> => {
  const names = new Set<string>();
  for await (const { line, text } of linesOf(path)) {
    if (line > LOOKED_AT) break;
    const row = parse(text);
    if (typeof row === 'object') for (const name of Object.keys(row)) names.add(name);
  }
  return [...names];
};

const recordOf = (line: number, text: string, columns: readonly string[]): SourceRecord => {
  const row = parse(text);
  if (typeof row === 'string') return { line, values: [text], fault: row };
  return { line, values: columns.map((name) => row[name] ?? ''), fault: null };
};

/** The object, or why it is none. */
const parse = (text: string): Readonly<Record<string, unknown>> | string => {
  try {
    const row = JSON.parse(text) as unknown;
    if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as Record<string, unknown>;
    return 'is no JSON object';
  } catch (error) {
    return `is no JSON: ${(error as Error).message}`;
  }
};
