/** What an erasure deletes leaves Redis' files when they are written anew: the append-only file, and the dump where there is one. */
import { setTimeout as delay } from 'node:timers/promises';
import { BUCKETS } from './buckets.ts';
import type { Commands } from './commands.ts';
import type { Keys } from './keys.ts';
import type { Node } from './node.ts';
import type { Nodes } from './nodes.ts';

export interface Wiper {
  /** Soon, so that many erasures share one. */
  soon(): void;
  /** What a process that died left undone. */
  resume(): Promise<void>;
  close(): void;
}

const SOON_MS = 500;
const LOOK_MS = 100;
/** Rewriting takes at most an eleventh of the time, however many are erased. */
const REST = 10;

export const createWiper = (nodes: Nodes, commands: Commands, keys: Keys): Wiper => {
  let asked = 0;
  let isClosed = false;
  let running: Promise<void> | undefined;

  const run = async (): Promise<void> => {
    await delay(SOON_MS, undefined, { ref: false });
    for (;;) {
      if (isClosed) return;
      const before = asked;
      const startedAt = performance.now();
      await Promise.all(nodes.owners().map(rewrite));
      if (asked === before) return void (await unmark());
      await delay(SOON_MS + REST * (performance.now() - startedAt), undefined, { ref: false });
    }
  };
  const marks = () => Array.from({ length: BUCKETS }, (_, bucket) => ({ bucket, args: [keys.wiped(bucket)] }));
  const unmark = () => commands.all(marks().map((mark) => ({ ...mark, run: 'DEL' })));

  const soon = (): void => {
    asked++;
    // Refused or away: the marks stay, and the next start tries again.
    running ??= run()
      .catch(() => undefined)
      .finally(() => (running = undefined));
  };
  return {
    soon,
    async resume() {
      const replies = await commands.all(marks().map((mark) => ({ ...mark, run: 'EXISTS' })));
      if (replies.includes(1)) soon();
    },
    close: () => {
      isClosed = true;
    },
  };
};

const rewrite = async (node: Node): Promise<void> => {
  if (/^aof_enabled:1/m.test(await node.bulk.info('persistence'))) {
    await whileBusy(node, 'aof_rewrite_in_progress', () => node.bulk.call('BGREWRITEAOF'));
    await idle(node);
  }
  const [, save] = (await node.bulk.call('CONFIG', 'GET', 'save').catch(() => [])) as string[];
  if (save === undefined || save === '') return;
  await whileBusy(node, 'rdb_bgsave_in_progress', () => node.bulk.call('BGSAVE'));
  await idle(node);
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
