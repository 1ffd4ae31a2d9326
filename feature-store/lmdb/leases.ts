/** Leases on LMDB: a name, its owner and an end; the machine's clock is the one clock of all processes. */
import type { Leases } from '../port.ts';
import { attempt, type Environment } from './environment.ts';

export const createLmdbLeases = (environment: Environment, now: () => number = Date.now): Leases => {
  const table = environment.table('leases');
  const ownerAt = (name: string): string | null => {
    const bytes = attempt('read a lease', () => table.getBinary(Buffer.from(name, 'utf8')));
    return bytes === undefined || bytes.readDoubleLE(0) <= now() ? null : bytes.toString('utf8', 8);
  };
  return {
    hold: (name, owner, ttlMs) =>
      environment.atomically(() => {
        const holder = ownerAt(name);
        if (holder !== null && holder !== owner) return false;
        const value = Buffer.alloc(8 + Buffer.byteLength(owner));
        value.writeDoubleLE(now() + ttlMs);
        value.write(owner, 8);
        table.putSync(Buffer.from(name, 'utf8'), value);
        return true;
      }),
    release: (name, owner) =>
      environment.atomically(() => {
        if (ownerAt(name) === owner) table.removeSync(Buffer.from(name, 'utf8'));
      }),
    holder: async (name) => {
      // What another process let go of is to be seen at once.
      environment.root.resetReadTxn();
      return ownerAt(name);
    },
  };
};
