/** The port of documents: what people and APIs look at one by one (communications, subscriptions, flows), by id, customer, state and time. */

export interface DocumentWrite {
  /** 1 to 128 bytes of UTF-8, none of them 0; unique within its kind. */
  readonly id: string;
  /** 16 bytes; null: of nobody. */
  readonly customerKey: Buffer | null;
  /** One word of at most 64 letters, digits, dots, hyphens and underscores, as the kind is too; indexed. */
  readonly state: string;
  /** By which a list is sorted, ms since 1970 UTC; it does not change over the versions of a document. */
  readonly atMs: number;
  /** When it wants attention (a retry, a claim that ran out); null: never. */
  readonly dueMs: number | null;
  /** The content; the store does not read it. */
  readonly body: Buffer;
}

export interface StoredDocument extends DocumentWrite {
  /** From 1, grows by one with each write. */
  readonly version: number;
}

export interface DocumentQuery {
  readonly customerKey?: Buffer;
  readonly state?: string;
  /** Inclusive. */
  readonly fromMs?: number;
  /** Exclusive. */
  readonly toMs?: number;
  /** Default false: oldest first. Equal times by the bytes of the id. True: the same order, backwards. */
  readonly newestFirst?: boolean;
  /** Default 0. */
  readonly offset?: number;
  /** At most 1,000. */
  readonly limit: number;
}

export interface DocumentPage {
  readonly documents: readonly StoredDocument[];
  /** Of all that the query finds, without offset and limit. */
  readonly total: number;
}

export interface Documents {
  /** Null: there is none. */
  get(kind: string, id: string): Promise<StoredDocument | null>;
  /**
   * Writes when the stored version is `expected` (null: there must be none), and returns the new version; null: another was faster, and nothing
   * was changed. Durable when resolved, with its indexes: a list never shows what is not there.
   */
  put(kind: string, document: DocumentWrite, expected: number | null): Promise<number | null>;
  /** False: the stored version is not `expected`. Removing what is not there is true. */
  remove(kind: string, id: string, expected: number): Promise<boolean>;
  /** `total` and `documents` may be of two moments where others write meanwhile: then there may be fewer than `limit` although more follow. */
  list(kind: string, query: DocumentQuery): Promise<DocumentPage>;
  /** Documents due at or before `nowMs`, earliest first. They stay due until a write moves `dueMs`. */
  due(kind: string, nowMs: number, limit: number): Promise<readonly StoredDocument[]>;
  /**
   * Erasure (law 9): every document of the customer, of any kind, with its indexes; returns how many. No byte is left within seconds, nor of
   * what was removed or overwritten before. With `untilMs` only those whose `atMs` is at or before it: the customer may have begun anew.
   */
  forget(customerKey: Buffer, untilMs?: number): Promise<number>;
}
