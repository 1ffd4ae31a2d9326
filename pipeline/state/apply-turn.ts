/** A customer's turn in a run of a segment: once a run, and only who still belongs to the segment is decided for. */
import { takeTurn } from '#feature-store';
import { DONE, drop } from '../steps.ts';
import type { StepResult } from '../steps.ts';
import type { CustomerWork, Source } from './customer-work.ts';
import type { TurnInput } from './input.ts';
import { reachOut, viewOf } from './reach-out.ts';

export const applyTurn = (work: CustomerWork, { segmentId, runAtMs, record }: TurnInput, source: Source): StepResult<null> => {
  if (!takeTurn(work.state, segmentId, runAtMs)) return drop('duplicate');
  // A rebuild finds in the log what was decided.
  if (work.desk === null) return DONE;
  const wanted = work.rules.turned(segmentId, () => viewOf(work), record.timestampMs);
  if (wanted === null) return drop('no-effect');
  reachOut(work, { ...wanted, rootId: null }, source, record.timestampMs);
  return DONE;
};
