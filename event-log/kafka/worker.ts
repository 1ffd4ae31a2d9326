/** Works through one partition number of a consumer's topics, batch after batch, until it is cancelled. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Topic } from '#contracts';
import { FIRST_BACKOFF_MS, LAST_BACKOFF_MS, sleep } from '../backoff.ts';
import type { Batch, ConsumeOptions } from '../port.ts';
import { Bell } from './bell.ts';
import type { Committer } from './committer.ts';
import type { Fetcher } from './fetcher.ts';
import type { OffsetToCommit } from './group-member.ts';
import { InQueue, takeMerged } from './in-queue.ts';
import type { Reader } from './reader.ts';

export interface WorkerDeps {
  readonly options: ConsumeOptions;
  readonly groupId: string;
  readonly topicPrefix: string;
  readonly partitionsOf: (topic: Topic) => number;
  readonly reader: Reader;
  readonly fetcher: Fetcher;
  readonly committer: Committer;
  /** Resolves when batches may begin: the group is not being divided anew. */
  readonly mayBegin: (cancelled: AbortSignal) => Promise<void>;
  /** Every batch is entered here while it is at work. */
  readonly atWork: Set<Promise<unknown>>;
}

const DEFAULT_MAX_RECORDS = 1_000;
/** How long the records of one topic wait for those that another one is known to have. */
const WAIT_FOR_OTHERS_MS = 50;
const IDLE_MS = 60_000;

/** The reason of a cancellation after which nothing may be committed: the partition is another member's. */
export const LOST = 'lost';

/** Resolves when `cancelled` aborts and the batch in hand is finished. */
export async function workThroughPartition(deps: WorkerDeps, partition: number, cancelled: AbortSignal): Promise<void> {
  const bell = new Bell();
  const queues = await openQueues(deps, partition, bell, cancelled);
  try {
    await work(deps, partition, queues, bell, cancelled);
  } finally {
    for (const queue of queues) deps.fetcher.remove(queue);
  }
}

async function work(deps: WorkerDeps, partition: number, queues: readonly InQueue[], bell: Bell, cancelled: AbortSignal): Promise<void> {
  const { options, committer, fetcher } = deps;
  let committed = offsetsOf(queues);
  while (!cancelled.aborted) {
    await waitForAll(queues, bell, cancelled);
    await deps.mayBegin(cancelled);
    if (cancelled.aborted) return;
    const records = takeMerged(queues, options.maxRecords ?? DEFAULT_MAX_RECORDS);
    for (const queue of queues) fetcher.wake(queue);
    if (records.length > 0 && !(await handle(deps, { partition, records }, cancelled))) return;
    if (cancelled.reason === LOST) return;
    const reached = offsetsOf(queues);
    if (reached.some(({ next }, index) => next !== committed[index]!.next)) committer.commitLater(reached);
    committed = reached;
    if (records.length > 0) await nextTurn();
    else await bell.wait(IDLE_MS, cancelled);
  }
}

/** For the merge by time: no topic should seem to run ahead of another only because its answer came first. */
async function waitForAll(queues: readonly InQueue[], bell: Bell, cancelled: AbortSignal): Promise<void> {
  const isMissing = (queue: InQueue): boolean => queue.peek() === undefined && !queue.isAtEnd;
  if (!queues.some(isMissing) || queues.every((queue) => queue.peek() === undefined)) return;
  for (const endMs = performance.now() + WAIT_FOR_OTHERS_MS; queues.some(isMissing) && performance.now() < endMs && !cancelled.aborted;)
    await bell.wait(endMs - performance.now(), cancelled);
}

/** False when the worker was cancelled before the batch succeeded. */
async function handle({ options, atWork, mayBegin }: WorkerDeps, batch: Batch, cancelled: AbortSignal): Promise<boolean> {
  for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs = Math.min(2 * backoffMs, LAST_BACKOFF_MS)) {
    const working = options.onBatch(batch).then(
      () => true,
      (error: unknown) => {
        options.onError?.(error, batch);
        return false;
      },
    );
    atWork.add(working);
    const isDone = await working.finally(() => atWork.delete(working));
    if (isDone) return true;
    await sleep(backoffMs, cancelled);
    await mayBegin(cancelled);
    if (cancelled.aborted) return false;
  }
}

async function openQueues(deps: WorkerDeps, partition: number, bell: Bell, cancelled: AbortSignal): Promise<readonly InQueue[]> {
  const { options, fetcher, committer, topicPrefix } = deps;
  // A compacted topic may have fewer partitions than the others.
  const topics = options.topics.filter((topic) => partition < deps.partitionsOf(topic));
  for (let backoffMs = FIRST_BACKOFF_MS; !cancelled.aborted; backoffMs = Math.min(2 * backoffMs, LAST_BACKOFF_MS)) {
    try {
      const committed = await deps.reader.committed(deps.groupId, topics, [partition]);
      const queues: InQueue[] = [];
      for (const topic of topics) {
        const position = await startOf(deps, topic, partition, committed.get(`${topic}/${partition}`) ?? null);
        queues.push(new InQueue({ topic, kafkaTopic: `${topicPrefix}${topic}`, partition, position, onArrival: bell.ring }));
      }
      if (cancelled.aborted) return [];
      committer.commit(offsetsOf(queues).filter(({ next }, index) => next !== committed.get(`${queues[index]!.topic}/${partition}`)));
      for (const queue of queues) fetcher.add(queue);
      return queues;
    } catch (error) {
      options.onError?.(error, { partition, records: [] });
      await sleep(backoffMs, cancelled);
    }
  }
  return [];
}

async function startOf({ options, reader }: WorkerDeps, topic: Topic, partition: number, committed: number | null): Promise<number> {
  const own = await options.startAt?.(topic, partition);
  if (own !== null && own !== undefined) return own;
  if (committed !== null) return committed;
  const { first, next } = await reader.offsets(topic, partition);
  return options.from === 'latest' ? next : first;
}

function offsetsOf(queues: readonly InQueue[]): readonly OffsetToCommit[] {
  return queues.map(({ kafkaTopic, partition, takenUpTo }) => ({ kafkaTopic, partition, next: takenUpTo }));
}
