/** A message's step on its way to the customer (docs/decisions/0032). */
import v1 from './v1.avsc.json' with { type: 'json' };
import v2 from './v2.avsc.json' with { type: 'json' };
import { createRecordCodec } from '../avro.ts';
import type { RecordCodec } from '../avro.ts';

/** In the order of a message's life; `heldOut` and `matured` are of the trial that measures what contacting does. */
export const COMMUNICATION_STATES = [
  'queued',
  'sent',
  'delivered',
  'failed',
  'bounced',
  'expired',
  'denied',
  'deferred',
  'heldOut',
  'matured',
  'cancelled',
] as const;
/** The reason of a `deferred` that stands in the log without a decision: it was asked for a time that lies ahead, and state plans it. */
export const SCHEDULED = 'scheduled';
export type CommunicationState = (typeof COMMUNICATION_STATES)[number];

/** A message's step on its way to the customer. */
export interface Communication {
  /** of the message: its decision's id, where a decision asked for it */
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
  readonly state: CommunicationState;
  /** why */
  readonly reasonCode: string | null;
  /** ms since 1970 UTC */
  readonly at: number;
  /** the action that it brings */
  readonly actionId: string;
  /** who wanted it: api, trigger:<id>, segment:<id>, snooze, tmf681 */
  readonly cause: string;
  /** of the trial: contacted or heldOut; empty where none was opened */
  readonly arm: '' | 'contacted' | 'heldOut';
  /** ms since 1970 UTC; of deferred: when it is decided again; of queued and heldOut: when the trial closes */
  readonly until: number | null;
  /** ms since 1970 UTC; past it the message is not sent any more */
  readonly expiresAt: number | null;
  /** of deferred: what is decided again, as JSON text of channel, scope and context */
  readonly request: string | null;
  /** where it goes; personal; only in queued */
  readonly address: string | null;
  /** filled in and escaped, as JSON text; personal; only in queued; null there: it stands in the document of the same id */
  readonly content: string | null;
  /** BCP 47 */
  readonly language: string | null;
  /** of sending, from 1; 0 before */
  readonly attempt: number;
  /** the name that the next hop gave it */
  readonly providerId: string | null;
  /** it may have been sent twice, or not at all: the protocol cannot tell */
  readonly doubtful: boolean;
  /** of matured: how often the customer came to us within the window */
  readonly inboundContacts: number;
  /** of matured: with what probability it was held out once it was chosen, as the decision's holdouts say */
  readonly holdoutShare: number;
}

/** What a step does not say. */
export const UNSAID: Pick<
  Communication,
  | 'reasonCode'
  | 'actionId'
  | 'cause'
  | 'arm'
  | 'until'
  | 'expiresAt'
  | 'request'
  | 'address'
  | 'content'
  | 'language'
  | 'attempt'
  | 'providerId'
  | 'doubtful'
  | 'inboundContacts'
  | 'holdoutShare'
> = Object.freeze({
  reasonCode: null,
  actionId: '',
  cause: '',
  arm: '',
  until: null,
  expiresAt: null,
  request: null,
  address: null,
  content: null,
  language: null,
  attempt: 0,
  providerId: null,
  doubtful: false,
  inboundContacts: 0,
  holdoutShare: 0,
});

/**
 * Readers of version 1 know eight states, and an enumeration without a default cannot grow for them: what is new they read as what it
 * comes nearest to. Nothing was sent where `denied` stands, nothing arrived where `expired` does.
 */
const AS_BEFORE: Readonly<Partial<Record<CommunicationState, CommunicationState>>> = {
  heldOut: 'denied',
  matured: 'denied',
  cancelled: 'expired',
};

/** As it lies in the log. */
interface Stored extends Communication {
  /** A state that version 1 has no name for; else empty. */
  readonly step?: string;
}

const plain = createRecordCodec<Stored>({ name: 'attune.communications', versions: [v1 as never, v2 as never] });

export const communicationCodec: RecordCodec<Communication> = {
  ...plain,
  // What a registry has read in today's schema says its step already.
  encode: (communication: Stored) => {
    const before = AS_BEFORE[communication.state];
    return plain.encode(
      before === undefined ? { step: '', ...communication } : { ...communication, state: before, step: communication.state },
    );
  },
  decode(bytes) {
    const { step = '', ...communication } = plain.decode(bytes);
    return step === '' ? communication : { ...communication, state: step as CommunicationState };
  },
};
