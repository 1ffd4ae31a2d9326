/** The stage at which a candidate's way ended: one byte a candidate in the receipt, never renumbered. */

export const STAGE = Object.freeze({
  /** In the answer. */
  chosen: 1,
  /** Scored, and another was chosen. */
  scored: 2,
  /** A mandatory notice that found no free slot. */
  noSlot: 3,
  /** No treatment for this channel, direction and placement. */
  channel: 10,
  /** Before its start or after its end. */
  dates: 11,
  /** Paused by the operators, it or the whole channel. */
  paused: 12,
  /** The operators stopped everything outbound. */
  outboundStopped: 13,
  /** Marketing, and the customer is in the group `untouched`. */
  group: 14,
  /** The customer's state could not be read, and the action is not a default. */
  unread: 15,
  /** The decision was asked for other actions. */
  scope: 16,
  eligibility: 20,
  applicability: 21,
  suitability: 22,
  contactPolicy: 30,
  /** Its value could not be computed. */
  value: 40,
} as const);

export type StageName = keyof typeof STAGE;
export type StageCode = (typeof STAGE)[StageName];

const NAMES = new Map<number, StageName>(Object.entries(STAGE).map(([name, code]) => [code, name as StageName]));

/** Null: a code that this version does not know. */
export const stageName = (code: number): StageName | null => NAMES.get(code) ?? null;
