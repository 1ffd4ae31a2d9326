/** A file of rows: what its columns are called, and its rows, each with the line that people find it by. */
export interface SourceRecord {
  /** Of a CSV file: the line where the row begins, the header being line 1. Of a Parquet file: the row, the first being 1. */
  readonly line: number;
  /** In the order of the columns; text, or what Parquet has. */
  readonly values: readonly unknown[];
  /** Why it is no row; null when it is one. */
  readonly fault: string | null;
}

export interface Source {
  readonly columns: readonly string[];
  /** Null: not known before the end. */
  readonly rows: number | null;
  /** Rows after a line, some hundreds or thousands at a time. `share` of the file is read when they are given. */
  records(afterLine: number): AsyncIterable<{ readonly records: readonly SourceRecord[]; readonly share: number }>;
}
