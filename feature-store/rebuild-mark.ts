/** The mark that the store is being rebuilt and is not whole: it stays when the rebuilding process dies, so that nobody takes half a store for a whole one. */
import type { Leases } from './port.ts';

const MARK = 'rebuild-unfinished';
/** One and the same for all rebuilds: the next one takes over what a dead one left. */
const OWNER = 'rebuild';
const FOR_EVER_MS = 10 * 365 * 86_400_000;

export const markRebuild = async (leases: Leases): Promise<void> => {
  await leases.hold(MARK, OWNER, FOR_EVER_MS);
};

export const unmarkRebuild = (leases: Leases): Promise<void> => leases.release(MARK, OWNER);

/** True from before the first byte is removed until the last one is restored. One read of the store. */
export const isRebuilding = async (leases: Leases): Promise<boolean> => (await leases.holder(MARK)) !== null;

export interface RebuildWatch {
  readonly underway: () => boolean;
  stop(): void;
}

/**
 * Looks every `everyMs`, off anybody's hot path; while the store does not answer, what was known stays. A rebuild waits after its mark
 * for longer than any watch sleeps (pipeline/rebuild/rebuild.ts).
 */
export const watchRebuild = (
  leases: Leases,
  { everyMs = 1_000, onChange }: { readonly everyMs?: number; readonly onChange?: (underway: boolean) => void } = {},
): RebuildWatch => {
  let underway = false;
  let looking = false;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    try {
      const now = await isRebuilding(leases);
      if (now !== underway) onChange?.((underway = now));
    } catch {
      // The store is away, which others tell.
    } finally {
      looking = false;
    }
  };
  void look();
  const timer = setInterval(() => void look(), everyMs).unref();
  return { underway: () => underway, stop: () => clearInterval(timer) };
};
