/**
 * Gathers the rows of one table and one log partition into blocks by size and time, and inserts them strictly in offset order.
 *
 * The order is what makes "resume after the highest stored offset" lose nothing: a block goes only when the one before it is in.
 */
import { RowWriter, TABLES, type RowPosition, type RowTypes, type TableName } from '#warehouse';

export interface BlockLane<N extends TableName> {
  /** Throws what the encoder throws; the block then holds no part of the row. */
  add(row: RowTypes[N], at: RowPosition): void;
  /** No room for another block. */
  readonly full: boolean;
  /** Resolves when there is. */
  room(): Promise<void>;
  /** Sends what is gathered, and resolves when it is in. */
  flush(): Promise<void>;
  /** Rows gathered or on their way. */
  readonly waiting: number;
}

export interface BlockLaneDeps {
  readonly blockRows: number;
  readonly blockMs: number;
  /** Must try until it is in; its end without that (a stop) leaves the rows to the log. */
  readonly insert: (table: TableName, rows: number, rowBinary: Buffer, token: string) => Promise<void>;
}

const monthOf = (ms: number): number => {
  const date = new Date(ms);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
};

const BLOCKS_ON_THEIR_WAY = 2;

/** The same block has the same name in every process: one that was sent by a process that died, and is sent again, counts once. */
const tokenOf = (table: TableName, first: RowPosition, last: RowPosition): string =>
  `${table}/${first.epoch}/${first.partition}/${first.offset}-${last.offset}`;

export const createBlockLane = <N extends TableName>(table: N, deps: BlockLaneDeps): BlockLane<N> => {
  const writer = new RowWriter();
  let rows = 0;
  let month = -1;
  let first: RowPosition | undefined;
  let last: RowPosition | undefined;
  let sending = 0;
  let blocks = 0;
  let timer: NodeJS.Timeout | undefined;
  let tail: Promise<void> = Promise.resolve();
  const freed: (() => void)[] = [];

  const send = async (before: Promise<void>, count: number, block: Buffer, token: string): Promise<void> => {
    await before;
    await deps.insert(table, count, block, token);
    sending -= count;
    blocks--;
    for (const free of freed.splice(0)) free();
  };
  const full = (): boolean => blocks >= BLOCKS_ON_THEIR_WAY;
  const seal = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (rows === 0) return;
    const count = rows;
    const block = writer.take();
    rows = 0;
    sending += count;
    blocks++;
    tail = send(tail, count, block, tokenOf(table, first!, last!));
  };
  return {
    add(row, at) {
      // The table's partitions are months of recorded_at: a block of two would be two parts, of which a crash may keep the second only.
      if (rows > 0 && monthOf(at.timestampMs) !== month) seal();
      const before = writer.length;
      try {
        TABLES[table].write(writer, row, at);
      } catch (error) {
        writer.rewind(before);
        throw error;
      }
      last = at;
      if (rows++ === 0) {
        first = at;
        month = monthOf(at.timestampMs);
        timer = setTimeout(seal, deps.blockMs);
      }
      if (rows >= deps.blockRows) seal();
    },
    async room() {
      while (full()) await new Promise<void>((resolve) => freed.push(resolve));
    },
    flush() {
      seal();
      return tail;
    },
    get full() {
      return full();
    },
    get waiting() {
      return rows + sending;
    },
  };
};
