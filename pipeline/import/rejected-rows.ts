/** Rows that could not be taken, as a CSV file beside the one they came from: line, reason, and the row as it was. */
import { open, rm, truncate } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { SourceRecord } from './source.ts';
import { textOfCell } from './text-of-cell.ts';

export interface RejectedRows {
  add(record: SourceRecord, reason: string): void;
  /** Durable when resolved; the file's length then. */
  flush(): Promise<number>;
  close(): Promise<void>;
}

/** Before the columns of the file that they came from. */
export const REJECTED_COLUMNS = ['line', 'reason'] as const;

/** @param length of what an earlier run had flushed: what came after it comes again. Without a bad row there is no file. */
export const openRejectedRows = async (path: string, columns: readonly string[], length: number): Promise<RejectedRows> => {
  if (length === 0) await rm(path, { force: true });
  else await truncate(path, length);
  let file: FileHandle | undefined;
  let at = length;
  let lines: string[] = [];
  return {
    add({ line, values }, reason) {
      if (at === 0 && lines.length === 0) lines.push(csvLine([...REJECTED_COLUMNS, ...columns]));
      lines.push(csvLine([line, reason, ...values]));
    },
    async flush() {
      if (lines.length === 0) return at;
      file ??= await open(path, 'a', 0o600);
      const bytes = Buffer.from(lines.splice(0).join(''), 'utf8');
      await file.appendFile(bytes);
      await file.sync();
      at += bytes.length;
      return at;
    },
    async close() {
      lines = [];
      await file?.close();
    },
  };
};

const csvLine = (values: readonly unknown[]): string => `${values.map(csvCell).join(',')}\n`;

const csvCell = (value: unknown): string => {
  const text = textOfCell(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
