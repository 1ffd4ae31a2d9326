/** What the document store keeps of a channel's health: kind `channel`, one a channel, under its name; written by deliver. */

export const CHANNEL_KIND = 'channel';

/** The body, as JSON. */
export interface ChannelDocument {
  readonly channel: string;
  /** smtp, smpp, http, webhook, file */
  readonly adapter: string;
  readonly state: 'up' | 'down';
  /** When it came into this state; ms since 1970 UTC. */
  readonly since: number;
  /** Why it is down; null: it is up. */
  readonly reason: string | null;
  /** Messages that wait for it or are in hand. */
  readonly queued: number;
  /** At most so many messages a second of one process; null: as fast as the peer takes them. */
  readonly perSecond: number | null;
}
