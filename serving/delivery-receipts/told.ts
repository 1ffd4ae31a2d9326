/** What a receipt tells, before anybody has looked for its message. */
import type { DeliveryReceipt } from '#contracts';

export interface Told {
  /** As the peer wrote it: 32 hex digits, or the decision's id. */
  readonly communicationId: string | null;
  readonly providerId: string | null;
  /** Null: nothing final (on its way, put off, a word that the channel does not map). */
  readonly state: DeliveryReceipt['state'] | null;
  readonly reason: string | null;
  /** ms since 1970 UTC; null: not told. */
  readonly atMs: number | null;
}

export const FINAL_STATES = ['delivered', 'failed', 'bounced', 'expired'] as const satisfies readonly DeliveryReceipt['state'][];
