/** Wipes an environment's free pages soon after an erasure, so that many share one; what a crash prevents is done at the next start. */
import type { Environment } from './environment.ts';
import { wipeFreePages } from './wipe.ts';

export interface WipeSoon {
  /** Within the transaction that deletes: from then on the wipe is due, whoever dies. */
  mark(): void;
  /** After that transaction. */
  soon(): void;
  /** Before the environment closes: LMDB crashes on what is read afterwards. What is left to wipe is wiped at the next start. */
  stop(): Promise<void>;
}

export const createWipeSoon = (environment: Environment): WipeSoon => {
  const meta = environment.table('meta');
  let wiping: NodeJS.Timeout | undefined;
  let wiped: Promise<void> = Promise.resolve();
  let stopped = false;
  const soon = (): void => {
    wiping ??= setTimeout(() => {
      wiping = undefined;
      wiped = wiped.then(wipe).catch(() => undefined);
    }, WIPE_AFTER_MS).unref();
  };
  const wipe = async (): Promise<void> => {
    await wipeFreePages(environment.root, () => stopped);
    if (wiping === undefined && !stopped) await environment.durably(() => meta.removeSync(WIPE_DUE));
  };
  if (meta.doesExist(WIPE_DUE)) soon();
  return {
    mark: () => meta.putSync(WIPE_DUE, NOTHING),
    soon,
    async stop() {
      stopped = true;
      clearTimeout(wiping);
      await wiped;
    },
  };
};

const NOTHING = Buffer.alloc(0);
const WIPE_DUE = Buffer.from('wipe-due');
const WIPE_AFTER_MS = 500;
