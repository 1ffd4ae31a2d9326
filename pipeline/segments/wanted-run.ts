/** Which run of a segment is wanted now: the one that is due or ordered last, or the one that is under way. */
import type { SegmentOrder } from '#contracts';
import { lastDue } from '#decisioning';
import type { Segment } from '#decisioning';
import type { SegmentDocument } from './segment-document.ts';

export interface WantedRun {
  /** When it was due, or ordered: its name. */
  readonly runAtMs: number;
  /** Who ordered it; `schedule`. */
  readonly by: string;
}

export const BY_SCHEDULE = 'schedule';

/**
 * @param order the last one about this segment
 * @returns null: none; a run that is under way ends
 */
export const wantedRun = (
  segment: Pick<Segment, 'schedule' | 'expireMs'>,
  { run, sinceMs }: SegmentDocument,
  order: SegmentOrder | undefined,
  nowMs: number,
): WantedRun | null => {
  if (order?.order === 'stop') return null;
  const due = scheduled(segment, Math.max(sinceMs, order?.order === 'resume' ? order.at : 0), nowMs);
  const ordered = order?.order === 'run' && order.at > nowMs - segment.expireMs ? { runAtMs: order.at, by: order.by } : null;
  const latest = due === null || (ordered !== null && ordered.runAtMs >= due.runAtMs) ? ordered : due;
  if (latest !== null && (run === null || latest.runAtMs > run.runAtMs)) return latest;
  return run?.state === 'running' ? { runAtMs: run.runAtMs, by: run.by } : null;
};

/** @param sinceMs what was due by then was not to be */
const scheduled = ({ schedule, expireMs }: Pick<Segment, 'schedule' | 'expireMs'>, sinceMs: number, nowMs: number): WantedRun | null => {
  if (schedule === null) return null;
  const runAtMs = lastDue(schedule, nowMs);
  return runAtMs > sinceMs && runAtMs > nowMs - expireMs ? { runAtMs, by: BY_SCHEDULE } : null;
};
