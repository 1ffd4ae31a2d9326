/** Turns log records into warehouse rows, leaving out all that is personal. */
import {
  ACTION_PAUSED_EVENT,
  SEGMENT_TURN_EVENT,
  ATTUNE_SOURCE,
  communicationCodec,
  customerKeyFromBytes,
  deadLetterCodec,
  decisionCodec,
  eventCodec,
  NOBODYS_KEY,
  UNKNOWN_CUSTOMER,
  outcomeCodec,
  rewardCodec,
  TOPICS,
  typedEntriesOf,
  type ActionProfile,
  type CustomerKey,
  type CustomerView,
  type Decision,
  type EventRecord,
  type PairCounters,
  type Topic,
} from '#contracts';
import { STAGE } from '#decisioning';
import type { EventTypes } from '#project';
import { encodeStrings, type EncodedStrings, type RowTypes, type TableName } from '#warehouse';

export type CustomerAsRead = Pick<CustomerView, 'attributes' | 'pair'>;

export interface RowSources {
  /** Today's; an event of a type that it does not name arrives without data. */
  readonly eventTypes: () => Pick<EventTypes, 'get'>;
  /** Action ids in catalog order; null: this catalog is not known here. */
  readonly catalogActions: (catalogVersion: string) => Promise<readonly string[] | null>;
  /** The customer as the receipt's state says. May throw where the state's definitions are unknown: then the row does without. */
  readonly viewOf: (decision: Decision) => CustomerAsRead | Promise<CustomerAsRead>;
  /** Names of attributes and context fields that must not arrive. */
  readonly isPersonal: (name: string) => boolean;
}

export type TypedRow = { readonly [N in TableName]: { readonly table: N; readonly row: RowTypes[N] } }[TableName];

export interface ReadRecord {
  /** Null: not for the warehouse (Attune's own timers). */
  readonly typed: TypedRow | null;
  /** Of whom it is; null where the record does not say. */
  readonly customerKey: CustomerKey | null;
  readonly featureSet: string | null;
  /** When the API took it, where the record says so: before the log did, if it waited in an outbox. */
  readonly takenAtMs?: number;
}

export const RECORDED_TOPICS = [
  TOPICS.events,
  TOPICS.decisions,
  TOPICS.outcomes,
  TOPICS.rewards,
  TOPICS.communications,
  TOPICS.deadLetters,
] as const;

/** Attune's own clock, not something that a customer did. */
const TIMER_EVENT = 'attune.timer';

/** What Attune says, and nobody else can: nothing in it is personal. */
const isAttunesOwn = ({ type, source, customerKey }: EventRecord): boolean =>
  source === ATTUNE_SOURCE && (type === SEGMENT_TURN_EVENT || (type === ACTION_PAUSED_EVENT && customerKey.equals(NOBODYS_KEY)));

/** Rejects with `record.unreadable` for bytes that are not of the topic. */
export const createRowReader = (sources: RowSources): ((topic: Topic, value: Buffer) => Promise<ReadRecord>) => {
  const keeps = (name: string): boolean => !sources.isPersonal(name);
  const encoded = new Map<string, Candidates>();

  const candidatesOf = async (decision: Decision, own: readonly ActionProfile[] | null): Promise<Candidates> => {
    const none = decision.scored.includes(-1);
    if (own !== null)
      return candidatesNamed(
        named(
          own.map(({ id }) => id),
          decision,
          none,
        ),
        true,
      );
    const key = `${decision.catalogVersion}/${decision.stages.length}/${none}`;
    const before = encoded.get(key);
    if (before !== undefined) return before;
    const actions = await sources.catalogActions(decision.catalogVersion);
    const candidates = candidatesNamed(named(actions ?? [], decision, none), actions !== null);
    if (actions === null) return candidates;
    if (encoded.size > 256) encoded.clear();
    encoded.set(key, candidates);
    return candidates;
  };

  /** Null: there is a state, and it cannot be read here. */
  const customerOf = async (decision: Decision): Promise<CustomerAsRead | null> => {
    if (!decision.customerKnown || decision.state.length === 0) return UNKNOWN_CUSTOMER;
    try {
      return await sources.viewOf(decision);
    } catch {
      return null;
    }
  };

  const decisionRow = async (value: Buffer): Promise<ReadRecord> => {
    const decision = decisionCodec.decode(value);
    const own = decision.ownCandidates === null ? null : ownProfiles(decision.ownCandidates, keeps);
    const { ids, strings, known } = await candidatesOf(decision, own);
    const customer = await customerOf(decision);
    const row = {
      decision,
      context: typedEntriesOf(parseObject(decision.context), keeps),
      attributes: typedEntriesOf(customer?.attributes ?? {}, keeps),
      ownCandidates: own === null ? '' : JSON.stringify(own),
      pairs: customer === null ? [] : pairsOf(customer, ids, decision.scored),
      asServed: customer !== null && known,
      actionIds: strings,
      heldOut: ids[decision.scored[decision.heldOut ?? -1] ?? -1] ?? '',
      noneStage: decision.chosen.length === 0 ? STAGE.chosen : STAGE.scored,
    };
    return {
      typed: { table: 'decisions', row },
      customerKey: customerKeyFromBytes(decision.customerKey),
      featureSet: decision.features.length > 0 ? decision.featureSet : null,
      takenAtMs: decision.decidedAt,
    };
  };

  return async (topic, value) => {
    switch (topic) {
      case TOPICS.events: {
        const event = eventCodec.decode(value);
        const customerKey = customerKeyFromBytes(event.customerKey);
        if (event.type === TIMER_EVENT) return { typed: null, customerKey, featureSet: null };
        const data = isAttunesOwn(event)
          ? event.data
          : JSON.stringify(sources.eventTypes().get(event.type)?.withoutPersonal(parseObject(event.data)) ?? {});
        return { typed: { table: 'events', row: { event, data } }, customerKey, featureSet: null, takenAtMs: event.receivedAt };
      }
      case TOPICS.decisions:
        return decisionRow(value);
      case TOPICS.outcomes:
        return { typed: { table: 'outcomes', row: outcomeCodec.decode(value) }, customerKey: null, featureSet: null };
      case TOPICS.rewards: {
        const row = rewardCodec.decode(value);
        return { typed: { table: 'rewards', row }, customerKey: customerKeyFromBytes(row.customerKey), featureSet: null };
      }
      case TOPICS.communications: {
        const row = communicationCodec.decode(value);
        return { typed: { table: 'communications', row }, customerKey: customerKeyFromBytes(row.customerKey), featureSet: null };
      }
      case TOPICS.deadLetters:
        return { typed: { table: 'dead_letters', row: deadLetterCodec.decode(value) }, customerKey: null, featureSet: null };
      default:
        return { typed: null, customerKey: null, featureSet: null };
    }
  };
};

/** As many names as the receipt has stages; what the catalog does not tell is `#index`, or what the answer called it. */
const named = (actions: readonly string[], decision: Decision, none: boolean): readonly string[] => {
  const names = Array.from(
    { length: decision.stages.length },
    (_, i) => actions[i] ?? decision.chosen.find((one) => one.index === i)?.actionId ?? `#${i}`,
  );
  return none ? [...names, 'none'] : names;
};

/** Encoded once for all decisions of a catalog. */
interface Candidates {
  readonly ids: readonly string[];
  readonly strings: EncodedStrings;
  /** False: the catalog is not known here, and the names are places. */
  readonly known: boolean;
}
const candidatesNamed = (ids: readonly string[], known: boolean): Candidates => ({ ids, strings: encodeStrings(ids), known });

const pairsOf = (customer: CustomerAsRead, ids: readonly string[], scored: readonly number[]): (readonly [string, PairCounters])[] => {
  const met: (readonly [string, PairCounters])[] = [];
  for (const index of scored) {
    if (index < 0) continue;
    const pair = customer.pair(ids[index]!);
    if (pair.shown > 0 || pair.accepted > 0 || pair.rejected > 0) met.push([ids[index]!, pair]);
  }
  return met;
};

const ownProfiles = (json: string, keeps: (name: string) => boolean): readonly ActionProfile[] => {
  const parsed = parseJson(json);
  if (!Array.isArray(parsed)) return [];
  return parsed.map(({ id, features }: Partial<ActionProfile>, i) => ({
    id: id ?? `#${i}`,
    features: Object.fromEntries(Object.entries(features ?? {}).filter(([name]) => keeps(name))),
  }));
};

const parseObject = (json: string): Readonly<Record<string, unknown>> => {
  const parsed = parseJson(json);
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? (parsed as Record<string, unknown>) : {};
};

const parseJson = (json: string): unknown => {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
};
