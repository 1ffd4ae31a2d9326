/** Where a communicationMessage goes: its channel by `messageType`, and for each receiver who that is and at which address. */
import type { Channels } from '#project';
import type { TmfBody } from '../resource.ts';

/** TM Forum leaves the words of `messageType` open; its own examples are SMS, Email and Mobile app push notification. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/sms|text|shortmessage/, 'sms'],
  [/mail/, 'email'],
  [/push|app/, 'push'],
];

/** A channel that Attune delivers on; null: none that is meant by this type. */
export const channelOf = (messageType: string, { channels }: Channels): string | null => {
  const plain = plainOf(messageType);
  for (const name of channels.keys()) if (plainOf(name) === plain) return name;
  const word = WORDS.find(([pattern]) => pattern.test(plain))?.[1];
  return word !== undefined && channels.has(word) ? word : null;
};

const plainOf = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '');

export interface Recipient {
  /** The customer; null: only the address is known. */
  readonly customerId: string | null;
  /** As the receiver says it; null: the customer's own is taken. */
  readonly address: string | null;
}

export const recipientOf = (receiver: TmfBody, channel: string | null): Recipient => {
  const party = receiver['party'] as TmfBody | undefined;
  return { customerId: textOf(receiver['id']) ?? textOf(party?.['id']), address: addressOf(receiver, channel ?? '') };
};

/** Who is known by nothing but an address is the same visitor whenever it comes: limits hold for them, and they can be erased. */
export const visitorOf = (channel: string, address: string): string => `${channel}:${address.trim().toLowerCase()}`;

const addressOf = (receiver: TmfBody, channel: string): string | null => {
  const [phone, email, app] = [textOf(receiver['phoneNumber']), textOf(receiver['email']), textOf(receiver['appUserId'])];
  const kind = WORDS.find(([pattern]) => pattern.test(plainOf(channel)))?.[1];
  if (kind === 'sms') return phone;
  if (kind === 'email') return email;
  return kind === 'push' ? app : (app ?? phone ?? email);
};

const textOf = (value: unknown): string | null => (typeof value === 'string' && value.trim() !== '' ? value : null);
