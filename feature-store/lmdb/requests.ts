/** Request keys on LMDB: who asked first, forgotten after their time to live. */
import type { Requests } from '../port.ts';
import type { Environment, Table } from './environment.ts';

/** How many expired keys each claim clears away: more than one, so that the table cannot grow without bound. */
const SWEEP = 4;

/** Atomic among processes; survives their death (not a machine's within the last 50 ms: a client that retries across that decides anew). */
export const createLmdbRequests = (environment: Environment): Requests => {
  const owners = environment.table('owners');
  const expiries = environment.table('expiries');
  return {
    claim: (requestKey, decisionId, { nowMs, ttlMs }) =>
      environment.atomically(() => {
        sweep(owners, expiries, nowMs);
        const standing = owners.getBinary(requestKey);
        if (standing !== undefined && standing.readUIntBE(16, 6) > nowMs) return Buffer.from(standing.subarray(0, 16));
        const value = Buffer.alloc(22);
        decisionId.copy(value, 0, 0, 16);
        value.writeUIntBE(nowMs + ttlMs, 16, 6);
        owners.putSync(requestKey, value);
        expiries.putSync(expiryKey(nowMs + ttlMs, requestKey), Buffer.alloc(0));
        return Buffer.from(decisionId);
      }),
  };
};

const sweep = (owners: Table, expiries: Table, nowMs: number): void => {
  for (const key of [...expiries.getKeys({ end: expiryKey(nowMs, Buffer.alloc(0)), limit: SWEEP })]) {
    const requestKey = key.subarray(6);
    const standing = owners.getBinary(requestKey);
    if (standing !== undefined && standing.readUIntBE(16, 6) <= nowMs) owners.removeSync(requestKey);
    expiries.removeSync(key);
  }
};

const expiryKey = (expiresMs: number, requestKey: Buffer): Buffer => {
  const out = Buffer.alloc(6 + requestKey.length);
  out.writeUIntBE(expiresMs, 0, 6);
  requestKey.copy(out, 6);
  return out;
};
