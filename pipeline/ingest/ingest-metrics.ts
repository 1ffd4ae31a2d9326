/** What ingest counts. */
export interface IngestMetrics {
  /** Read from the operator's topics and judged. */
  records: number;
  events: number;
  /** Left out by `when`, or invalid where the source drops those, or tombstones. */
  filtered: number;
  deadLetters: number;
  /** Older than their customer's erasure. */
  erased: number;
  /** Batches that come again. */
  retries: number;
}

export const createIngestMetrics = (): IngestMetrics => ({ records: 0, events: 0, filtered: 0, deadLetters: 0, erased: 0, retries: 0 });
