/** The event by which Attune says that a customer's turn has come in a run of a segment. */
import { SHARDS } from '../ids.ts';

export const SEGMENT_TURN_EVENT = 'attune.segment.turn';

/** Its data. */
export interface SegmentTurn {
  readonly segmentId: string;
  /** Names the run: when it was due, or ordered; ms since 1970 UTC. */
  readonly runAtMs: number;
  /** Of the customer, whose id the event does not have. */
  readonly shard: number;
}

/** @param data of the event. Null: it is not one of ours. */
export const parseSegmentTurn = (data: string): SegmentTurn | null => {
  const { segmentId, runAtMs, shard } = JSON.parse(data) as Partial<Record<keyof SegmentTurn, unknown>>;
  return typeof segmentId === 'string' && Number.isSafeInteger(runAtMs) && Number.isInteger(shard) && isShard(shard as number)
    ? { segmentId, runAtMs: runAtMs as number, shard: shard as number }
    : null;
};

const isShard = (shard: number): boolean => shard >= 0 && shard < SHARDS;
