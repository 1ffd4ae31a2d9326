/** A customer's state as plain JSON, for people: what is known, and what the features say now. */
import type { AttributeValue, Contact } from '#contracts';
import type { CustomerState, PendingDecision } from './customer-state.ts';
import { evaluateFeatures } from './evaluate-features.ts';
import type { OpenMessage, Outreach, Planned, RecentMessage, Trial } from './outreach.ts';

export interface StateDescription {
  /** Personal attributes included: it is the customer's own view of what is stored. */
  readonly attributes: Readonly<Record<string, { readonly value: AttributeValue; readonly at: string }>>;
  readonly features: Readonly<Record<string, number>>;
  readonly featureSet: string;
  readonly contacts: readonly (Omit<Contact, 'atMs'> & { readonly at: string })[];
  readonly pending: readonly (Omit<PendingDecision, 'decidedAtMs' | 'matureAtMs'> & {
    readonly decidedAt: string;
    readonly matureAt: string;
  })[];
  /** Of actions that the definitions name; others are counted by hash alone. */
  readonly pairs: Readonly<
    Record<string, { readonly shown: number; readonly accepted: number; readonly rejected: number; readonly lastShownAt: string | null }>
  >;
  readonly outreach: OutreachDescription;
  readonly lastEventAt: string | null;
  readonly position: { readonly epoch: number; readonly offsets: readonly number[] };
  readonly nextTimerAt: string | null;
}

/** What is on its way to the customer, without what decisions are asked with: that may be anything. */
export interface OutreachDescription {
  readonly planned: readonly (Omit<Planned, 'dueMs' | 'expiresAtMs' | 'scope' | 'context'> & {
    readonly dueAt: string;
    readonly expiresAt: string;
  })[];
  /** Of those that have left or are about to, until their fate is known: their contact counts already. */
  readonly open: readonly (Omit<OpenMessage, 'atMs' | 'endMs'> & { readonly at: string; readonly endsAt: string })[];
  readonly trials: readonly (Omit<Trial, 'endMs'> & { readonly endsAt: string })[];
  readonly recentMessages: readonly (Omit<RecentMessage, 'atMs' | 'endMs'> & { readonly at: string; readonly endsAt: string })[];
}

export const describeOutreach = ({ planned, messages, trials, recent }: Outreach): OutreachDescription => ({
  planned: planned.map(({ cause, rootId, channel, dueMs, expiresAtMs }) => ({
    cause,
    rootId,
    channel,
    dueAt: iso(dueMs),
    expiresAt: iso(expiresAtMs),
  })),
  open: messages.map(({ atMs, endMs, ...message }) => ({ ...message, at: iso(atMs), endsAt: iso(endMs) })),
  trials: trials.map(({ endMs, ...trial }) => ({ ...trial, endsAt: iso(endMs) })),
  recentMessages: recent.map(({ atMs, endMs, ...message }) => ({ ...message, at: iso(atMs), endsAt: iso(endMs) })),
});

export const describeState = (state: CustomerState, nowMs: number): StateDescription => {
  const set = state.featureSet;
  const values = evaluateFeatures(state.registers, set, nowMs);
  const attributes = set.attributes.flatMap(({ name }, i) => {
    const held = state.attributes[i];
    return held === undefined ? [] : [[name, { value: held.value, at: iso(held.atMs) }] as const];
  });
  return {
    attributes: Object.fromEntries(attributes),
    features: Object.fromEntries(set.names.map((name, i) => [name, values[i]!])),
    featureSet: set.fingerprint,
    contacts: state.contacts.map(({ atMs, ...contact }) => ({ at: iso(atMs), ...contact })),
    pending: state.pending.map(({ decidedAtMs, matureAtMs, ...rest }) => ({
      ...rest,
      decidedAt: iso(decidedAtMs),
      matureAt: iso(matureAtMs),
    })),
    pairs: Object.fromEntries([...state.pairs].map(([key, pair]) => [nameOf(state, key), describePair(pair)])),
    outreach: describeOutreach(state.outreach),
    lastEventAt: state.registers.refMs === 0 ? null : iso(state.registers.refMs),
    position: { epoch: state.epoch, offsets: state.positions },
    nextTimerAt: state.nextTimerMs === null ? null : iso(state.nextTimerMs),
  };
};

const iso = (ms: number): string => new Date(ms).toISOString();

const nameOf = ({ featureSet }: CustomerState, key: number): string => {
  const index = featureSet.actionIndexByHash.get(key);
  return index === undefined ? `~${key.toString(16).padStart(8, '0')}` : featureSet.definitions.actionIds[index]!;
};

const describePair = ({
  shown,
  accepted,
  rejected,
  lastShownMs,
}: {
  shown: number;
  accepted: number;
  rejected: number;
  lastShownMs: number;
}) => ({
  shown,
  accepted,
  rejected,
  lastShownAt: lastShownMs === 0 ? null : iso(lastShownMs),
});
