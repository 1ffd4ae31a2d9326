/** Only one process rebuilds: a lease, renewed while the work goes on. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { AttuneError, SECOND_MS } from '#contracts';
import type { FeatureStore } from '#feature-store';

export interface HeldLease {
  /** Throws `rebuild.lease-lost` once the lease may be another's. */
  refuseLost(): void;
  release(): Promise<void>;
}

const NAME = 'rebuild';
const TTL_MS = 30 * SECOND_MS;
const RENEW_MS = 5 * SECOND_MS;

/** Rejects with `rebuild.underway` when another holds it. */
export const holdRebuildLease = async (leases: FeatureStore['leases']): Promise<HeldLease> => {
  const owner = `${hostname()}-${process.pid}-${randomUUID()}`;
  if (!(await leases.hold(NAME, owner, TTL_MS))) {
    throw new AttuneError(
      'rebuild.underway',
      `another rebuild is under way (${(await leases.holder(NAME)) ?? 'just ended'}); if its process is dead, its lease ends within ${TTL_MS / SECOND_MS} s`,
      { retriable: true },
    );
  }
  let heldUntilMs = performance.now() + TTL_MS;
  const renew = async (): Promise<void> => {
    const askedMs = performance.now();
    try {
      heldUntilMs = (await leases.hold(NAME, owner, TTL_MS)) ? askedMs + TTL_MS : 0;
    } catch {
      // The store is away; the lease runs on until it ends.
    }
  };
  const timer = setInterval(() => void renew(), RENEW_MS).unref();
  return {
    refuseLost() {
      if (performance.now() < heldUntilMs) return;
      throw new AttuneError('rebuild.lease-lost', 'the rebuild lost its lease (the store did not answer for long); start it again', {
        retriable: true,
      });
    },
    async release() {
      clearInterval(timer);
      await leases.release(NAME, owner).catch(() => undefined);
    },
  };
};
