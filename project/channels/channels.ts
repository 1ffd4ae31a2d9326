/** The channels that Attune itself delivers on, and what holds for all of them: what channels.yaml says, parsed. */

export interface Channels {
  /** Tried in this order after the customer's preferred channel. */
  readonly fallback: readonly string[];
  /** Attribute that names the customer's preferred channel; null: nobody prefers any. */
  readonly preferred: string | null;
  readonly callbacks: {
    /** Webhooks and hubs may go to private, loopback and link-local addresses. */
    readonly allowPrivate: boolean;
  };
  /** Which actions stand for what TMF681 asks to be sent; null: such requests name an action themselves. */
  readonly requests: { readonly action: string; readonly purposes: ReadonlyMap<string, string> } | null;
  /** By name. Empty: Attune delivers nothing, callers do. */
  readonly channels: ReadonlyMap<string, ChannelDefinition>;
  readonly caps: readonly VolumeCap[];
}

/** At most `max` messages of a channel, of an action, or of both, per period. */
export interface VolumeCap {
  readonly channel: string | null;
  readonly action: string | null;
  readonly max: number;
  readonly per: 'hour' | 'day' | 'week';
}

export interface ChannelDefinition {
  readonly name: string;
  /** Attribute that is the customer's address here. */
  readonly address: string;
  /** Attribute that is the customer's language (BCP 47); null: none. */
  readonly language: string | null;
  readonly expireAfterMs: number;
  /** Messages a second of one process; null: as fast as the peer takes them. */
  readonly perSecond: number | null;
  /** Messages in hand at once, of one process. */
  readonly connections: number;
  /** Of sending, with the first. */
  readonly attempts: number;
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
  /** What follows when the peer may have taken a message, or not, and cannot tell. */
  readonly onDoubt: 'resend' | 'leave';
  readonly settings: ChannelSettings;
}

/** Names ending in `Env` are names of environment variables: no secret stands in a catalog. */
export type ChannelSettings = SmtpSettings | SmppSettings | HttpSettings | WebhookSettings | FileSettings;
export type AdapterKind = ChannelSettings['adapter'];

export interface SmtpSettings {
  readonly adapter: 'smtp';
  readonly host: string;
  readonly port: number;
  /** `none`: plain; `starttls`: required; `opportunistic`: where the server has it; `tls`: from the first byte. */
  readonly security: 'none' | 'opportunistic' | 'starttls' | 'tls';
  /** `Name <address>` */
  readonly from: string;
  readonly replyTo: string | null;
  /** Bounces go to this address, with `+<communicationId>` before its @. Null: to `from`. */
  readonly returnPath: string | null;
  /** Content is HTML (the channel escapes for it in project.yaml), or plain text. */
  readonly format: 'html' | 'text';
  /** Asks the servers for delivery status notifications (RFC 3461), success included. */
  readonly notifications: boolean;
  readonly userEnv: string | null;
  readonly passwordEnv: string | null;
  readonly timeoutMs: number;
  readonly receipt: ReceiptSettings | null;
}

export interface SmppSettings {
  readonly adapter: 'smpp';
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** The sender that the customer sees: a number in E.164, a short code, or up to 11 letters. */
  readonly from: string;
  readonly systemType: string;
  readonly systemIdEnv: string;
  readonly passwordEnv: string;
  readonly enquireLinkMs: number;
  readonly timeoutMs: number;
  /** How a text that does not fit in one message goes. */
  readonly longMessages: 'udh' | 'payload';
  /** Asks for delivery receipts. */
  readonly receipts: boolean;
  /** `hexadecimal`: the SMSC answers in hexadecimal, and its receipts name the same id in decimal digits. */
  readonly messageIds: 'same' | 'hexadecimal';
}

export interface HttpSettings {
  readonly adapter: 'http';
  /** A template; what is filled in is percent-encoded. */
  readonly url: string;
  readonly method: 'POST' | 'PUT' | 'GET';
  /** Templates. */
  readonly headers: ReadonlyMap<string, string>;
  /** Header → environment variable that holds its whole value. */
  readonly headersEnv: ReadonlyMap<string, string>;
  readonly format: 'json' | 'form';
  /** Texts in it are templates; null: no body. */
  readonly body: unknown;
  /** Dotted path to the provider's id in a JSON answer; null: there is none. */
  readonly providerId: string | null;
  /** The gateway takes a message of one key once. */
  readonly idempotencyHeader: string | null;
  /** Answers 2xx when all is well; null: a connection to the gateway says so. */
  readonly checkUrl: string | null;
  readonly timeoutMs: number;
  readonly receipt: ReceiptSettings | null;
}

export interface WebhookSettings {
  readonly adapter: 'webhook';
  readonly url: string;
  /** Variable with a Standard Webhooks secret, `whsec_…`; it signs what we send and what comes back. */
  readonly secretEnv: string;
  /** Delivery receipts come back to the API. */
  readonly confirms: boolean;
  readonly timeoutMs: number;
}

export interface FileSettings {
  readonly adapter: 'file';
  /** Relative to the data directory. */
  readonly path: string;
}

/** Whether the peer tells of delivery; else `sent` is the last word. */
export const confirmsDelivery = (settings: ChannelSettings): boolean => {
  switch (settings.adapter) {
    case 'smtp':
      return false;
    case 'smpp':
      return settings.receipts;
    case 'http':
      return settings.receipt !== null;
    case 'webhook':
      return settings.confirms;
    case 'file':
      return true;
  }
};

/** How a peer's own form of receipt is read, and how the peer shows that it is the peer. */
export interface ReceiptSettings {
  readonly by:
    | { readonly kind: 'token'; readonly tokenEnv: string }
    | { readonly kind: 'basic'; readonly userEnv: string; readonly passwordEnv: string }
    | { readonly kind: 'signature'; readonly secretEnv: string };
  /** Dotted paths in the JSON body, the form's or query's fields; null: not told. */
  readonly communicationId: string | null;
  readonly providerId: string | null;
  readonly state: string | null;
  readonly reason: string | null;
  /** RFC 3339, or seconds or milliseconds since 1970. */
  readonly at: string | null;
  /** The peer's word (in lower case) → ours; other words change nothing. */
  readonly states: ReadonlyMap<string, 'delivered' | 'failed' | 'bounced' | 'expired'>;
}

export const NO_CHANNELS: Channels = Object.freeze({
  fallback: [],
  preferred: null,
  callbacks: { allowPrivate: false },
  requests: null,
  channels: new Map(),
  caps: [],
});
