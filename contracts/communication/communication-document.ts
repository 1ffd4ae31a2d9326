/** What the document store keeps of a message: kind `communication`, one a message, under its id. */
import type { CommunicationState } from './communication.ts';

export const COMMUNICATION_KIND = 'communication';

/** Before the gate has spoken a request from outside is `requested`. */
export type CommunicationDocumentState = CommunicationState | 'requested';

export interface CommunicationStep {
  readonly state: CommunicationDocumentState;
  /** ms since 1970 UTC */
  readonly at: number;
  readonly reasonCode: string | null;
}

/** The body, as JSON. */
export interface CommunicationDocument {
  /** 32 hex digits: the id of the decision that asked for it. */
  readonly communicationId: string;
  /** As text; null: none was made. */
  readonly decisionId: string | null;
  /** Null: only the address is known. */
  readonly customerId: string | null;
  /** 32 hex digits. */
  readonly customerKey: string;
  readonly channel: string;
  readonly actionId: string;
  readonly treatmentId: string;
  readonly cause: string;
  readonly state: CommunicationDocumentState;
  readonly reasonCode: string | null;
  /** Null: not known yet; the customer's own is taken. */
  readonly address: string | null;
  /** By the names of the treatment's content. */
  readonly content: Readonly<Record<string, string>> | null;
  readonly language: string | null;
  readonly expiresAt: number | null;
  readonly attempts: number;
  readonly providerId: string | null;
  readonly doubtful: boolean;
  readonly history: readonly CommunicationStep[];
  /** What a request by TMF681 said; kept as it is by everybody else. */
  readonly tmf: Readonly<Record<string, unknown>> | null;
}
