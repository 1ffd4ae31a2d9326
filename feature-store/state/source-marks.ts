/**
 * How far the operator's own topics have been counted for a customer. What ingest appends twice after a crash comes behind what it
 * appended first, however long ago and with however many other events between: a mark tells it, where the ring of ids would have forgotten.
 */
import { hash32 } from '#contracts';
import type { CustomerState } from './customer-state.ts';

/** A topic keyed by customer needs one. Beyond as many, the mark that was moved longest ago is forgotten. */
export const MAX_MARKS = 16;

export interface SourceMark {
  /** `sourceMarkOf` of the events' source. */
  readonly source: number;
  readonly partition: number;
  /** The last one counted. */
  readonly offset: number;
}

export const sourceMarkOf = (source: string): number => hash32(source, 0x5c);

export const isCounted = (state: CustomerState, { source, partition, offset }: SourceMark): boolean => {
  const mark = state.marks.find((other) => other.source === source && other.partition === partition);
  return mark !== undefined && offset <= mark.offset;
};

/** For whoever has just asked `isCounted`. */
export const moveMark = (state: CustomerState, mark: SourceMark): void => {
  const { marks } = state;
  const place = marks.findIndex(({ source, partition }) => source === mark.source && partition === mark.partition);
  if (place >= 0) marks.splice(place, 1);
  marks.push(mark);
  if (marks.length > MAX_MARKS) marks.shift();
};
