/** The port of outbound channels: what takes one message to one address, and what comes back. */

/** One message, ready to leave. */
export interface OutboundMessage {
  /** 32 hex digits; the same for every attempt, so that a peer which can will take it once. */
  readonly communicationId: string;
  readonly channel: string;
  /** As the channel names a customer: an e-mail address, a number in E.164, a handle, an URL's path. */
  readonly address: string;
  /** Filled in and escaped for the channel; by the names of the treatment's content. */
  readonly content: Readonly<Record<string, string>>;
  /** BCP 47; null: not known. */
  readonly language: string | null;
  /** ms since 1970 UTC; past it nobody wants it. */
  readonly expiresAtMs: number;
  /** From 1. */
  readonly attempt: number;
}

export type SendResult =
  /** The next hop has it. `providerId` is how its receipts name it. */
  | { readonly kind: 'sent'; readonly providerId: string | null }
  /** For good: an address that does not exist, a content that is refused. `bounced`: the next hop does not take it for that address. */
  | { readonly kind: 'refused'; readonly reason: string; readonly bounced?: boolean }
  /** It was not taken, surely; `afterMs` where the peer says when. */
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMs: number | null }
  /** The peer went silent after it may have been taken: the protocol cannot tell. */
  | { readonly kind: 'unknown'; readonly reason: string };

/** What became of a message, told later by the peer. */
export interface DeliveryReceipt {
  readonly channel: string;
  /** Of the message; null: then `providerId` names it. */
  readonly communicationId: string | null;
  readonly providerId: string | null;
  readonly state: 'delivered' | 'failed' | 'bounced' | 'expired';
  readonly reason: string | null;
  /** ms since 1970 UTC */
  readonly atMs: number;
}

export interface ChannelAdapter {
  /** Of the channel in channels.yaml. */
  readonly channel: string;
  /** The peer takes a communicationId once, however often it is sent. */
  readonly deduplicates: boolean;
  /** Delivery is told later; else `sent` is the last word. */
  readonly confirms: boolean;
  /** Never rejects: what goes wrong is a result. Ends within the adapter's time-out, or when `signal` says so (then `retry` or `unknown`). */
  send(message: OutboundMessage, signal: AbortSignal): Promise<SendResult>;
  /** Rejects with a sentence when the peer cannot be reached or does not know us. */
  check(signal: AbortSignal): Promise<void>;
  /** Receipts that come over the adapter's own connection (SMPP). What comes by HTTP goes through the API. */
  onReceipt(listener: (receipt: DeliveryReceipt) => Promise<void>): void;
  /** Finishes what is in hand. Safe to call twice. */
  close(): Promise<void>;
}
