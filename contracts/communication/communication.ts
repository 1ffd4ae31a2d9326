/** A message's step on its way to the customer. */
import v1 from './v1.avsc.json' with { type: 'json' };
import { createRecordCodec } from '../avro.ts';

/** A message's step on its way to the customer. */
export interface Communication {
  /** of the message */
  readonly communicationId: Buffer;
  /** the decision that asked for it */
  readonly decisionId: Buffer | null;
  /** of the customer */
  readonly customerKey: Buffer;
  /** sms, email, ... */
  readonly channel: string;
  /** what was sent */
  readonly treatmentId: string;
  /** of the message */
  readonly state: 'queued' | 'sent' | 'delivered' | 'failed' | 'bounced' | 'expired' | 'denied' | 'deferred';
  /** why */
  readonly reasonCode: string | null;
  /** ms since 1970 UTC */
  readonly at: number;
}

export const communicationCodec = createRecordCodec<Communication>({ name: 'attune.communications', versions: [v1 as never] });
