/** Looks after something at intervals, in one process at a time: where its lease is held. */
import { randomUUID } from 'node:crypto';
import type { Leases } from '#feature-store';
import { keepLease, type KeptLease } from './keep-lease.ts';

export interface LeasedBeatOptions {
  readonly leases: Leases;
  /** Of the lease. */
  readonly name: string;
  readonly leaseMs: number;
  readonly everyMs: number;
  /** Also where the lease is not held, so that what was begun is left. Never two at a time. */
  readonly look: () => Promise<void>;
  readonly onFault: (error: unknown, what: 'look' | 'lease') => void;
}

export interface LeasedBeat {
  readonly held: () => boolean;
  start(): Promise<void>;
  /** @param leave what is to be done while the lease is still held, after the last look */
  stop(leave: () => Promise<void>): Promise<void>;
}

export const createLeasedBeat = ({ leases, name, leaseMs, everyMs, look, onFault }: LeasedBeatOptions): LeasedBeat => {
  let lease: KeptLease | undefined;
  let ticker: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;

  const beat = (): void => {
    looking ??= look()
      .catch((error: unknown) => onFault(error, 'look'))
      .finally(() => (looking = undefined));
  };
  return {
    held: () => lease?.held === true,
    async start() {
      if (ticker !== undefined) return;
      lease = keepLease({ leases, name, owner: randomUUID(), ttlMs: leaseMs, onFault: (error) => onFault(error, 'lease') });
      await lease.renew();
      ticker = setInterval(beat, everyMs);
      beat();
    },
    async stop(leave) {
      if (ticker === undefined) return;
      clearInterval(ticker);
      ticker = undefined;
      await looking;
      await leave();
      await lease?.stop();
      lease = undefined;
    },
  };
};
