/** Who belongs to a segment at this moment: one scan over all customers' states. */
import { customerKeyFromBytes } from '#contracts';
import type { CustomerView } from '#contracts';
import { decodeState, fingerprintOf, hadTurn, loadFeatureSet, viewOfState } from '#feature-store';
import type { FeatureSet, FeatureStore } from '#feature-store';
import { startSlices } from '../slices.ts';

export interface Member {
  /** 16 bytes. */
  readonly key: Buffer;
  /** Leads to the customer. */
  readonly shard: number;
}

/** Somebody may be among them twice where the store's scan names a key twice. */
export interface Members {
  readonly count: number;
  /** Of those, whose turn it was before in the run that was asked for; they are not among the members that are listed. */
  readonly had: number;
  /** Customers that were looked at. */
  readonly customers: number;
  list(from: number, to: number): readonly Member[];
}

export interface FindMembersOptions {
  readonly store: Pick<FeatureStore, 'states' | 'blobs'>;
  readonly featureSet: FeatureSet;
  readonly isMember: (view: CustomerView) => boolean;
  readonly nowMs: number;
  /** Leaves out those who had their turn in this run. */
  readonly run?: { readonly segmentId: string; readonly runAtMs: number };
  /** True ends the scan: what was found by then is returned. */
  readonly isOver?: () => boolean;
}

/** A key and a shard. */
const WIDTH = 18;
const FIRST = 4_096;

/** 18 bytes a member: ten millions take 180 MB, and no cursor is held open for as long as a run lasts. */
export const findMembers = async ({ store, featureSet, isMember, nowMs, run, isOver }: FindMembersOptions): Promise<Members> => {
  const slices = startSlices();
  let found = Buffer.alloc(FIRST * WIDTH);
  let [count, had, customers] = [0, 0, 0];
  for await (const { key, shard, value } of store.states.scan('state')) {
    if (isOver?.() === true) break;
    if (slices.isOver()) await slices.next();
    const fingerprint = fingerprintOf(value);
    if (fingerprint !== featureSet.fingerprint && !featureSet.others.has(fingerprint))
      await loadFeatureSet(store.blobs, featureSet, fingerprint);
    customers++;
    const hasHad = run !== undefined && hadTurn(decodeState(value, featureSet), run.segmentId, run.runAtMs);
    if (!hasHad && !isMember(viewOfState(value, { customerKey: customerKeyFromBytes(key), featureSet, nowMs }))) continue;
    if (hasHad) {
      had++;
      continue;
    }
    if ((count + 1) * WIDTH > found.length) found = Buffer.concat([found, Buffer.alloc(found.length)]);
    key.copy(found, count * WIDTH);
    found.writeUInt16BE(shard, count * WIDTH + 16);
    count++;
  }
  return {
    count,
    had,
    customers,
    list: (from, to) =>
      Array.from({ length: Math.max(0, Math.min(to, count) - from) }, (_, i) => {
        const at = (from + i) * WIDTH;
        return { key: found.subarray(at, at + 16), shard: found.readUInt16BE(at + 16) };
      }),
  };
};
