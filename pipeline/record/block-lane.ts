/**
 * Gathers the rows of one table into blocks by size and time, and inserts them strictly in the order in which they came.
 *
 * The order is what makes "resume after the highest stored offset of a partition" lose nothing: a block goes only when the one before it
 * is in. Rows of many partitions share a block, else each partition would send its own few rows, and the warehouse be made of small parts.
 */
import { createHash } from 'node:crypto';
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
/** Of events with large payloads, few make a block. */
const BLOCK_BYTES = 16 * 2 ** 20;

/** By partition, the offsets that a block begins and ends with. */
type Ranges = Map<number, { readonly first: number; last: number }>;

/** The same rows have the same name, in this process and in any other. */
const tokenOf = (table: TableName, epoch: number, ranges: Ranges): string => {
  const parts = [...ranges].toSorted(([a], [b]) => a - b).map(([partition, { first, last }]) => `${partition}:${first}-${last}`);
  return `${table}/${createHash('sha256')
    .update(`${epoch}/${parts.join(',')}`)
    .digest('hex')
    .slice(0, 32)}`;
};

export const createBlockLane = <N extends TableName>(table: N, deps: BlockLaneDeps): BlockLane<N> => {
  const writer = new RowWriter();
  let rows = 0;
  let month = -1;
  let epoch = 0;
  let ranges: Ranges = new Map();
  let due = false;
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
    if (due) sealWhenDue();
    for (const free of freed.splice(0)) free();
  };
  const full = (): boolean => blocks >= BLOCKS_ON_THEIR_WAY;
  const seal = (): void => {
    clearTimeout(timer);
    timer = undefined;
    due = false;
    if (rows === 0) return;
    const count = rows;
    const block = writer.take();
    const token = tokenOf(table, epoch, ranges);
    rows = 0;
    ranges = new Map();
    sending += count;
    blocks++;
    tail = send(tail, count, block, token);
  };
  /** While another block is on its way this one could not go yet, and may as well grow: a slow warehouse gets fewer, larger blocks. */
  const sealWhenDue = (): void => {
    if (blocks === 0) seal();
    else due = true;
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
      const range = ranges.get(at.partition);
      if (range === undefined) ranges.set(at.partition, { first: at.offset, last: at.offset });
      else range.last = at.offset;
      if (rows++ === 0) {
        epoch = at.epoch;
        month = monthOf(at.timestampMs);
        timer = setTimeout(sealWhenDue, deps.blockMs);
      }
      if (rows >= deps.blockRows || writer.length >= BLOCK_BYTES) seal();
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
