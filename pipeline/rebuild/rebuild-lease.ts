/** Only one process rebuilds: a lease, renewed while the work goes on. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { AttuneError, SECOND_MS } from '#contracts';
import type { FeatureStore } from '#feature-store';
import { keepLease } from '../lease/keep-lease.ts';

export interface HeldLease {
  /** Throws `rebuild.lease-lost` once the lease may be another's. */
  refuseLost(): void;
  release(): Promise<void>;
}

const NAME = 'rebuild';
const TTL_MS = 30 * SECOND_MS;

/** Rejects with `rebuild.underway` when another holds it. */
export const holdRebuildLease = async (leases: FeatureStore['leases']): Promise<HeldLease> => {
  const owner = `${hostname()}-${process.pid}-${randomUUID()}`;
  const faults: Error[] = [];
  // While the store is away the lease runs on until it ends.
  const lease = keepLease({ leases, name: NAME, owner, ttlMs: TTL_MS, onFault: (error) => void faults.push(error as Error) });
  await lease.renew();
  if (!lease.held) {
    lease.abandon();
    if (faults[0] !== undefined) throw faults[0];
    throw new AttuneError(
      'rebuild.underway',
      `another rebuild is under way (${(await leases.holder(NAME)) ?? 'just ended'}); if its process is dead, its lease ends within ${TTL_MS / SECOND_MS} s`,
      { retriable: true },
    );
  }
  return {
    refuseLost() {
      if (lease.held) return;
      throw new AttuneError('rebuild.lease-lost', 'the rebuild lost its lease (the store did not answer for long); start it again', {
        retriable: true,
      });
    },
    release: () => lease.stop(),
  };
};
