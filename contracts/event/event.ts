/** An interaction or a business event, as accepted (CloudEvents 1.0). */
import v1 from './v1.avsc.json' with { type: 'json' };
import { createRecordCodec } from '../avro.ts';

/** An interaction or a business event, as accepted (CloudEvents 1.0). */
export interface EventRecord {
  /** CloudEvents id; with source it identifies the event */
  readonly id: string;
  /** CloudEvents source */
  readonly source: string;
  /** names the event, as events.yaml does */
  readonly type: string;
  /** customer by default */
  readonly subjectKind: string;
  /** the operator's id; personal; null for Attune's own timer events */
  readonly subjectId: string | null;
  /** HMAC of kind and id */
  readonly customerKey: Buffer;
  /** when it happened, ms since 1970 UTC */
  readonly time: number;
  /** when it was accepted, ms since 1970 UTC */
  readonly receivedAt: number;
  /** the payload as JSON text; at least {} */
  readonly data: string;
}

export const eventCodec = createRecordCodec<EventRecord>({ name: 'attune.events', versions: [v1 as never] });
