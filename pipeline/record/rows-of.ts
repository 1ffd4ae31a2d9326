/** Turns log records into warehouse rows, leaving out all that is personal. */
import {
  communicationCodec,
  customerKeyFromBytes,
  deadLetterCodec,
  decisionCodec,
  eventCodec,
  outcomeCodec,
  rewardCodec,
  TOPICS,
  type AttributeValue,
  type CustomerKey,
  type Decision,
  type Topic,
} from '#contracts';
import { STAGE } from '#decisioning';
import type { EventTypes } from '#project';
import { encodeStrings, type EncodedStrings, type Entries, type RowTypes, type TableName } from '#warehouse';

export interface RowSources {
  /** Today's; an event of a type that it does not name arrives without data. */
  readonly eventTypes: () => Pick<EventTypes, 'get'>;
  /** Action ids in catalog order; null: this catalog is not known here. */
  readonly catalogActions: (catalogVersion: string) => Promise<readonly string[] | null>;
  /** The customer's attributes in the receipt's state. May throw where the state's definitions are unknown: then there are none. */
  readonly attributesOf: (
    decision: Decision,
  ) => Readonly<Record<string, AttributeValue>> | Promise<Readonly<Record<string, AttributeValue>>>;
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

/** Rejects with `record.unreadable` for bytes that are not of the topic. */
export const createRowReader = (sources: RowSources): ((topic: Topic, value: Buffer) => Promise<ReadRecord>) => {
  const encoded = new Map<string, EncodedStrings>();

  const candidatesOf = async (decision: Decision): Promise<EncodedStrings> => {
    const none = decision.scored.includes(-1);
    if (decision.ownCandidates !== null) return encodeStrings(named(ownIds(decision.ownCandidates), decision, none));
    const key = `${decision.catalogVersion}/${decision.stages.length}/${none}`;
    const before = encoded.get(key);
    if (before !== undefined) return before;
    const actions = await sources.catalogActions(decision.catalogVersion);
    const strings = encodeStrings(named(actions ?? [], decision, none));
    if (actions === null) return strings;
    if (encoded.size > 256) encoded.clear();
    encoded.set(key, strings);
    return strings;
  };

  const decisionRow = async (value: Buffer): Promise<ReadRecord> => {
    const decision = decisionCodec.decode(value);
    const actionIds = await candidatesOf(decision);
    let attributes: Readonly<Record<string, AttributeValue>> = {};
    if (decision.customerKnown && decision.state.length > 0) {
      try {
        attributes = await sources.attributesOf(decision);
      } catch {
        attributes = {};
      }
    }
    const row = {
      decision,
      context: entriesOf(parseObject(decision.context), sources.isPersonal),
      attributes: entriesOf(attributes, sources.isPersonal),
      actionIds,
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
        const data = JSON.stringify(sources.eventTypes().get(event.type)?.withoutPersonal(parseObject(event.data)) ?? {});
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

const ownIds = (json: string): readonly string[] => {
  try {
    const parsed: unknown = JSON.parse(json);
    return Array.isArray(parsed) ? parsed.map((one: { id?: unknown }, i) => (typeof one?.id === 'string' ? one.id : `#${i}`)) : [];
  } catch {
    return [];
  }
};

const parseObject = (json: string): Readonly<Record<string, unknown>> => {
  try {
    const parsed: unknown = JSON.parse(json);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
};

/** Plain values only: what is nested inside one could be personal. */
const entriesOf = (values: Readonly<Record<string, unknown>>, isPersonal: (name: string) => boolean): Entries => {
  const entries: (readonly [string, string])[] = [];
  for (const name of Object.keys(values)) {
    const value = values[name];
    if ((typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') && !isPersonal(name)) {
      entries.push([name, String(value)]);
    }
  }
  return entries;
};
