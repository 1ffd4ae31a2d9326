/** What an erasure deletes leaves Redis' files when they are written anew: the append-only file, and the dump where there is one. */
import { setTimeout as delay } from 'node:timers/promises';
import { BUCKETS } from './buckets.ts';
import type { Commands } from './commands.ts';
import type { Keys } from './keys.ts';
import type { Node } from './node.ts';
import type { Nodes } from './nodes.ts';
import { RELEASE } from './scripts.ts';

export interface Wiper {
  /** Soon, so that many erasures share one. */
  soon(): void;
  /** What a process that died left undone. */
  resume(): Promise<void>;
  close(): void;
}

export interface WiperDeps {
  readonly nodes: Pick<Nodes, 'owners'>;
  readonly commands: Pick<Commands, 'all'>;
  readonly keys: Keys;
  /** Told of each rewriting that failed; it is tried again. */
  readonly warn: (message: string) => void;
}

const SOON_MS = 500;
const LOOK_MS = 100;
/** Rewriting takes at most an eleventh of the time, however many are erased. */
const REST = 10;
const AGAIN_MS = 1_000;
const MAX_AGAIN_MS = 600_000;

export const createWiper = ({ nodes, commands, keys, warn }: WiperDeps): Wiper => {
  let asked = 0;
  let isClosed = false;
  let isRunning = false;

  const run = async (): Promise<void> => {
    isRunning = true;
    let waitMs = SOON_MS;
    let againMs = AGAIN_MS;
    for (;;) {
      await delay(waitMs, undefined, { ref: false });
      if (isClosed) break;
      const before = asked;
      const startedAt = performance.now();
      try {
        const marks = await readMarks();
        await Promise.all(nodes.owners().map(rewrite));
        await unmark(marks);
        if (asked === before) break;
        againMs = AGAIN_MS;
        waitMs = SOON_MS + REST * (performance.now() - startedAt);
      } catch (error) {
        if (isClosed) break;
        warn(
          `Redis has not written its files anew after an erasure, so that they still hold what was erased; again in ${againMs / 1_000} s: ${(error as Error).message}`,
        );
        waitMs = againMs;
        againMs = Math.min(2 * againMs, MAX_AGAIN_MS);
      }
    }
    isRunning = false;
  };

  const readMarks = async (): Promise<readonly Mark[]> => {
    const all = Array.from({ length: BUCKETS }, (_, bucket) => ({ bucket, key: keys.wiped(bucket) }));
    const values = await commands.all(all.map(({ bucket, key }) => ({ bucket, run: 'GET', args: [key] })));
    return all.flatMap((each, i) => (values[i] === null ? [] : [{ ...each, value: values[i] as Buffer }]));
  };
  /** What was set since, here or by another process, stays: the rewriting began before its deletion. */
  const unmark = (marks: readonly Mark[]) =>
    commands.all(marks.map(({ bucket, key, value }) => ({ bucket, run: { script: RELEASE, keys: 1 }, args: [key, value] })));

  const soon = (): void => {
    asked++;
    if (!isRunning) void run();
  };
  return {
    soon,
    async resume() {
      if ((await readMarks()).length > 0) soon();
    },
    close: () => {
      isClosed = true;
    },
  };
};

interface Mark {
  readonly bucket: number;
  readonly key: Buffer;
  /** Of the wipe that set it last. */
  readonly value: Buffer;
}

const rewrite = async (node: Node): Promise<void> => {
  if (/^aof_enabled:1/m.test(await node.bulk.info('persistence'))) {
    await whileBusy(node, 'aof_rewrite_in_progress', () => node.bulk.call('BGREWRITEAOF'));
    await idle(node);
    await refuseFailed(node, 'aof_last_bgrewrite_status');
  }
  const [, save] = (await node.bulk.call('CONFIG', 'GET', 'save').catch(() => [])) as string[];
  if (save === undefined || save === '') return;
  await whileBusy(node, 'rdb_bgsave_in_progress', () => node.bulk.call('BGSAVE'));
  await idle(node);
  await refuseFailed(node, 'rdb_last_bgsave_status');
};

/** It went wrong in the server, whose disk is full, say. */
const refuseFailed = async (node: Node, field: string): Promise<void> => {
  const status = new RegExp(`^${field}:(.*)$`, 'm').exec(await node.bulk.info('persistence'))?.[1]?.trim();
  if (status !== 'ok') throw new Error(`${field} of ${node.name} is ${status}`);
};

/** A rewriting that began before the deletion does not count: it is waited for, and another is begun. */
const whileBusy = async (node: Node, field: string, begin: () => Promise<unknown>): Promise<void> => {
  await idle(node);
  for (;;) {
    try {
      return void (await begin());
    } catch (error) {
      if (!new RegExp(`^${field}:1`, 'm').test(await node.bulk.info('persistence')) && !/in progress/i.test((error as Error).message))
        throw error;
      await delay(LOOK_MS, undefined, { ref: false });
    }
  }
};

const idle = async (node: Node): Promise<void> => {
  while (/^(aof_rewrite_in_progress|aof_rewrite_scheduled|rdb_bgsave_in_progress):1/m.test(await node.bulk.info('persistence')))
    await delay(LOOK_MS, undefined, { ref: false });
};
