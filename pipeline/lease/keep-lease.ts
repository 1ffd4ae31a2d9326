/** Keeps a lease for as long as it can, and knows by its own clock until when nobody else can have it. */
import type { Leases } from '#feature-store';

export interface KeptLease {
  /** No other process can hold it at this moment, unless the store has forgotten who did. */
  readonly held: boolean;
  /** Asks now and waits for the answer; a failure is reported and leaves what was held to run out. */
  renew(): Promise<void>;
  /** Somebody else seems to hold it: not held until the store says so anew. */
  doubt(): void;
  /** Lets go of it at once, so that nobody has to wait for its end. Safe to call twice. */
  stop(): Promise<void>;
  /** Stops as a killed process would: the lease has to run out. */
  abandon(): void;
}

export interface KeptLeaseDeps {
  readonly leases: Leases;
  readonly name: string;
  /** Of this process alone, or of its predecessor that is surely gone. */
  readonly owner: string;
  /** A holder that died is followed within 4/3 of this. */
  readonly ttlMs: number;
  readonly onFault: (error: unknown) => void;
}

/** Asks every third of its time: two answers may be lost before it runs out. */
const ASKS = 3;

export const keepLease = ({ leases, name, owner, ttlMs, onFault }: KeptLeaseDeps): KeptLease => {
  let untilMs = 0;
  let asking: Promise<void> | null = null;
  let stopped = false;

  const ask = async (): Promise<void> => {
    // Counted from before the question: the store counts from after it, so that we let go first.
    const askedMs = performance.now();
    try {
      const held = await leases.hold(name, owner, ttlMs);
      untilMs = held ? askedMs + ttlMs : 0;
    } catch (error) {
      onFault(error);
    }
  };
  const renew = (): Promise<void> => (asking ??= stopped ? Promise.resolve() : ask().finally(() => (asking = null)));
  const timer = setInterval(() => void renew(), ttlMs / ASKS);

  return {
    get held() {
      return performance.now() < untilMs;
    },
    renew,
    doubt() {
      untilMs = 0;
      void renew();
    },
    async stop() {
      clearInterval(timer);
      if (stopped) return;
      stopped = true;
      await asking;
      untilMs = 0;
      await leases.release(name, owner).catch(onFault);
    },
    abandon() {
      clearInterval(timer);
      stopped = true;
      untilMs = 0;
    },
  };
};
