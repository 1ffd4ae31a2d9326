/** What deliver counts. */
export interface DeliverMetrics {
  queued: number;
  attempts: number;
  sent: number;
  delivered: number;
  failed: number;
  bounced: number;
  expired: number;
  /** The customer's state had not let them out. */
  cancelled: number;
  retries: number;
  /** The peer may have taken it, or not. */
  doubtful: number;
  /** Of those: sent again. */
  resent: number;
  receipts: number;
  unknownReceipts: number;
  unreadable: number;
  failures: number;
}

export const createDeliverMetrics = (): DeliverMetrics => ({
  queued: 0,
  attempts: 0,
  sent: 0,
  delivered: 0,
  failed: 0,
  bounced: 0,
  expired: 0,
  cancelled: 0,
  retries: 0,
  doubtful: 0,
  resent: 0,
  receipts: 0,
  unknownReceipts: 0,
  unreadable: 0,
  failures: 0,
});
