/** Why a message was sent, in the catalog's words, for whoever answers the customer. */
import { causeOfSegment } from './segments.ts';
import type { Segments } from './segments.ts';
import { causeOfTrigger } from './triggers.ts';
import type { Trigger, Triggers } from './triggers.ts';

export interface DescribedCause {
  /** For a person; empty: nothing is said. */
  readonly description: string;
  /** `context.reason` of what wanted it; null: it names none. */
  readonly reason: string | null;
}

const OTHERS: readonly (readonly [string, string])[] = [
  ['api', 'A system asked for it by POST /v1/decisions.'],
  ['tmf681', 'A system asked for it by the communication API (TMF681).'],
  ['snooze', 'The customer had answered "later" and was asked again.'],
];

/** By the cause as receipts say it. */
export const describeCauses = (triggers: Pick<Triggers, 'all'>, segments: Pick<Segments, 'all'>): ReadonlyMap<string, DescribedCause> =>
  new Map([
    ...OTHERS.map(([cause, description]) => [cause, { description, reason: null }] as const),
    ...triggers.all.map((trigger) => [causeOfTrigger(trigger), describedBy(trigger)] as const),
    ...segments.all.map((segment) => [causeOfSegment(segment), describedBy(segment)] as const),
  ]);

const describedBy = ({ description, context }: Pick<Trigger, 'description' | 'context'>): DescribedCause => ({
  description,
  reason: typeof context['reason'] === 'string' ? context['reason'] : null,
});
