/** The mark that the store is being rebuilt and is not whole: it stays when the rebuilding process dies, so that nobody takes half a store for a whole one. */
import { EngineUnavailable, within } from '#contracts';
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
  /** False until the store has said for the first time whether it is being rebuilt. */
  readonly known: () => boolean;
  /** The store has not answered for a while. */
  readonly isAway: () => boolean;
  stop(): void;
}

export interface RebuildWatchOptions {
  readonly everyMs?: number;
  readonly onChange?: (underway: boolean) => void;
  /** Looks in a row have failed. */
  readonly onAway?: (error: unknown) => void;
  /** It answers again. */
  readonly onBack?: () => void;
}

/** One look that is late on a busy machine says nothing. */
const AWAY_AFTER = 2;
const SILENCE_MS = 1_000;

/**
 * Looks every `everyMs`, off anybody's hot path; while the store does not answer, what was known stays. A rebuild waits after its mark
 * for longer than any watch sleeps (pipeline/rebuild/rebuild.ts).
 */
export const watchRebuild = (leases: Leases, { everyMs = 1_000, onChange, onAway, onBack }: RebuildWatchOptions = {}): RebuildWatch => {
  let underway = false;
  let known = false;
  let failures = 0;
  let stopped = false;
  let looking = false;
  const missed = (error: unknown): void => {
    failures += 1;
    if (failures === AWAY_AFTER && !stopped) onAway?.(error);
  };
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    try {
      const now = await within(SILENCE_MS, isRebuilding(leases), null);
      if (now === null) return missed(new EngineUnavailable('feature-store', `no answer within ${SILENCE_MS} ms`));
      known = true;
      if (now !== underway) onChange?.((underway = now));
      if (failures >= AWAY_AFTER && !stopped) onBack?.();
      failures = 0;
    } catch (error) {
      missed(error);
    } finally {
      looking = false;
    }
  };
  void look();
  const timer = setInterval(() => void look(), everyMs).unref();
  return {
    underway: () => underway,
    known: () => known,
    isAway: () => failures >= AWAY_AFTER,
    stop: () => {
      stopped = true;
      clearInterval(timer);
    },
  };
};
