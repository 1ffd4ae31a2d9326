/** Works through one partition number of a consumer's topics, batch after batch, until its lease ends. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Batch, ConsumeOptions } from '../port.ts';
import type { Arrivals } from './arrivals.ts';
import { FIRST_BACKOFF_MS, LAST_BACKOFF_MS, sleep } from '../backoff.ts';
import type { Committer } from './committer.ts';
import type { Commit, Groups } from './groups.ts';
import { createCursor, takeMerged, type Cursor } from './merge.ts';
import type { Reader } from './reader.ts';

export interface WorkerDeps {
  readonly reader: Reader;
  readonly groups: Groups;
  readonly arrivals: Arrivals;
  readonly committer: Committer;
  readonly options: ConsumeOptions;
}

const DEFAULT_MAX_RECORDS = 1_000;

/** Resolves when `cancelled` aborts and the batch in hand is finished. */
export async function workThroughPartition(deps: WorkerDeps, partition: number, cancelled: AbortSignal): Promise<void> {
  const cursors = await openCursors(deps, partition, cancelled);
  let committed = cursors.map((cursor) => cursor.position);
  while (!cancelled.aborted) {
    const records = takeMerged(deps.reader, cursors, deps.options.maxRecords ?? DEFAULT_MAX_RECORDS);
    if (records.length > 0 && !(await handle(deps.options, { partition, records }, cancelled))) return;
    if (cursors.some((cursor, index) => cursor.position !== committed[index])) {
      deps.committer.commitLater(commitsOf(cursors));
      committed = cursors.map((cursor) => cursor.position);
    }
    if (records.length > 0) await nextTurn();
    else await deps.arrivals.wait(cursors, cancelled);
  }
}

/** False when the worker was cancelled before the batch succeeded. */
async function handle(options: ConsumeOptions, batch: Batch, cancelled: AbortSignal): Promise<boolean> {
  for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs = Math.min(2 * backoffMs, LAST_BACKOFF_MS)) {
    try {
      await options.onBatch(batch);
      return true;
    } catch (error) {
      options.onError?.(error, batch);
    }
    await sleep(backoffMs, cancelled);
    if (cancelled.aborted) return false;
  }
}

async function openCursors(deps: WorkerDeps, partition: number, cancelled: AbortSignal): Promise<Cursor[]> {
  const { topics } = deps.options;
  for (let backoffMs = FIRST_BACKOFF_MS; !cancelled.aborted; backoffMs = Math.min(2 * backoffMs, LAST_BACKOFF_MS)) {
    try {
      const cursors: Cursor[] = [];
      for (const topic of topics) cursors.push(createCursor(topic, partition, await startOf(deps, topic, partition)));
      deps.committer.commit(commitsOf(cursors));
      return cursors;
    } catch (error) {
      deps.options.onError?.(error, { partition, records: [] });
      await sleep(backoffMs, cancelled);
    }
  }
  return [];
}

async function startOf(
  { reader, groups, options }: WorkerDeps,
  topic: ConsumeOptions['topics'][number],
  partition: number,
): Promise<number> {
  const own = await options.startAt?.(topic, partition);
  if (own !== null && own !== undefined) return own;
  groups.refresh();
  const committed = groups.committed(options.group, topic, partition);
  if (committed !== null) return committed;
  reader.refresh();
  const { first, next } = reader.offsets(topic, partition);
  return options.from === 'latest' ? next : first;
}

function commitsOf(cursors: readonly Cursor[]): Commit[] {
  return cursors.map(({ topic, partition, position }) => ({ topic, partition, next: position }));
}
