/** Decisions with their latest rewards, as they were logged, page by page: what training and off-policy evaluation read. */
import { valuesOfEntries, type ActionProfile, type CustomerKey, type LoggedRow, type PairCounters, type ReadLoggedRows } from '#contracts';
import type { Warehouse } from '../client/open-warehouse.ts';
import { RowReader } from '../client/row-reader.ts';

type Reward = NonNullable<LoggedRow['chosen'][number]['reward']>;

const PAGE_ROWS = 2_000;

/** By the sorting key, so that a page costs what it holds. `FINAL`: a row written twice counts once. */
const DECISIONS = `SELECT decision_id, customer_key, customer_known, decided_at, channel, direction, placement, loop, group_name, catalog_version,
  model_version, context, context_types, attributes, attribute_types, feature_set, features, own_candidates,
  \`candidates.action_id\`, \`candidates.scored\`, \`candidates.propensity\`, \`candidates.priority\`, \`candidates.gamma\`, \`candidates.probability\`, holdouts, contact_costs, none_probability,
  \`pairs.action_id\`, \`pairs.shown\`, \`pairs.accepted\`, \`pairs.rejected\`, \`pairs.last_shown_at\`, \`pairs.last_rejected_at\`,
  \`chosen.rank\`, \`chosen.action_id\`, \`chosen.probability\`, \`chosen.value\`, as_served
FROM decisions FINAL
WHERE loop = {loop:String} AND decided_at >= fromUnixTimestamp64Milli({from:Int64}) AND decided_at < fromUnixTimestamp64Milli({to:Int64})
  AND (UUIDv7ToDateTime(decision_id, 'UTC'), decision_id) > (UUIDv7ToDateTime({after:UUID}, 'UTC'), {after:UUID})
ORDER BY UUIDv7ToDateTime(decision_id, 'UTC'), decision_id LIMIT {rows:UInt32} FORMAT RowBinary`;

const REWARDS = `SELECT decision_id, rank, target, reward, outcome, matured FROM rewards FINAL
WHERE loop = {loop:String} AND (UUIDv7ToDateTime(decision_id, 'UTC'), decision_id) >= (UUIDv7ToDateTime({first:UUID}, 'UTC'), {first:UUID})
  AND (UUIDv7ToDateTime(decision_id, 'UTC'), decision_id) <= (UUIDv7ToDateTime({last:UUID}, 'UTC'), {last:UUID}) FORMAT RowBinary`;

const NEVER_DECIDED = '00000000-0000-7000-8000-000000000000';

export const readLoggedRows = (warehouse: Pick<Warehouse, 'query' | 'readRows'>, pageRows = PAGE_ROWS): ReadLoggedRows =>
  async function* ({ loop, fromMs, toMs }) {
    const sets = await warehouse.query<{ fingerprint: string; names: string[] }>('SELECT fingerprint, names FROM feature_sets FINAL');
    const namesOf = new Map(sets.map(({ fingerprint, names }) => [fingerprint, names]));
    for (let after = NEVER_DECIDED; ;) {
      const bytes = await warehouse.readRows(DECISIONS, { loop, from: within(fromMs), to: within(toMs), after, rows: pageRows });
      const page = readPage(new RowReader(bytes), namesOf);
      if (page.length === 0) return;
      after = page.at(-1)!.decisionId;
      const rewards = await warehouse.readRows(REWARDS, { loop, first: page[0]!.decisionId, last: after });
      yield withRewards(page, readRewards(new RowReader(rewards)));
      if (page.length < pageRows) return;
    }
  };

/** What a DateTime64(3) holds. */
const within = (ms: number): number => Math.min(Math.max(Math.trunc(ms), 0), 10_413_791_999_999);

const readPage = (from: RowReader, namesOf: ReadonlyMap<string, readonly string[]>): LoggedRow[] => {
  const rows: LoggedRow[] = [];
  while (!from.done) rows.push(readRow(from, namesOf));
  return rows;
};

const readRow = (from: RowReader, namesOf: ReadonlyMap<string, readonly string[]>): LoggedRow => {
  const head = {
    decisionId: from.uuid(),
    customerKey: from.fixed(32) as CustomerKey,
    customerKnown: from.bool(),
    decidedAtMs: from.dateTimeMs(),
    channel: from.string(),
    direction: from.string() as LoggedRow['direction'],
    placement: from.string() || null,
    loop: from.string(),
    group: from.string() as LoggedRow['group'],
    catalogVersion: from.string(),
    modelVersion: from.string(),
    context: valuesOfEntries({ entries: from.map(), types: from.string() }),
    attributes: valuesOfEntries({ entries: from.map(), types: from.string() }),
    featureSet: from.string(),
    features: from.floats(),
  };
  const own = from.string();
  const scored = readScored(from);
  return {
    ...head,
    featureNames: namesOf.get(head.featureSet) ?? [],
    ownCandidates: own === '' ? null : (JSON.parse(own) as ActionProfile[]),
    ...scored,
    noneProbability: from.f32OrNull(),
    pairs: readPairs(from),
    chosen: readChosen(from),
    asServed: from.bool(),
  };
};

/** Every candidate is there; those that were not scored are left out here, and `none`, whose probability stands apart. */
const readScored = (
  from: RowReader,
): Pick<LoggedRow, 'actionIds' | 'propensities' | 'priorities' | 'gammas' | 'probabilities' | 'holdouts' | 'contactCosts'> => {
  const ids = from.strings();
  const scored = from.array(() => from.bool());
  const [propensity, priority, gamma, probability] = [from.floats(), from.floats(), from.floats(), from.floats()];
  const [holdouts, contactCosts] = [from.floats(), from.floats()];
  const places = ids.flatMap((id, i) => (scored[i] === true && !(id === 'none' && i === ids.length - 1) ? [i] : []));
  return {
    actionIds: places.map((i) => ids[i]!),
    propensities: places.map((i) => propensity[i]!),
    priorities: places.map((i) => priority[i]!),
    gammas: places.map((i) => gamma[i]!),
    probabilities: places.map((i) => probability[i]!),
    holdouts: holdouts.length === 0 ? [] : places.map((i) => holdouts[i]!),
    contactCosts: contactCosts.length === 0 ? [] : places.map((i) => contactCosts[i]!),
  };
};

const readPairs = (from: RowReader): ReadonlyMap<string, PairCounters> => {
  const ids = from.strings();
  const [shown, accepted, rejected] = [from.array(() => from.u32()), from.array(() => from.u32()), from.array(() => from.u32())];
  const [lastShown, lastRejected] = [from.array(() => from.dateTimeMs()), from.array(() => from.dateTimeMs())];
  return new Map(
    ids.map((id, i) => [
      id,
      {
        shown: shown[i]!,
        accepted: accepted[i]!,
        rejected: rejected[i]!,
        lastShownMs: lastShown[i]!,
        lastRejectedMs: lastRejected[i]!,
      },
    ]),
  );
};

const readChosen = (from: RowReader): LoggedRow['chosen'] => {
  const ranks = from.array(() => from.u8());
  const ids = from.strings();
  const [probability, value] = [from.floats(), from.floats()];
  return ranks.map((rank, i) => ({ rank, actionId: ids[i]!, probability: probability[i]!, value: value[i]!, reward: null }));
};

const readRewards = (from: RowReader): ReadonlyMap<string, Reward> => {
  const rewards = new Map<string, Reward>();
  while (!from.done) {
    const slot = `${from.uuid()}/${from.u8()}`;
    rewards.set(slot, { target: from.f64OrNull(), reward: from.f64(), outcome: from.string(), matured: from.bool() });
  }
  return rewards;
};

const withRewards = (rows: readonly LoggedRow[], rewards: ReadonlyMap<string, Reward>): LoggedRow[] =>
  rows.map((row) => ({
    ...row,
    chosen: row.chosen.map((one) => ({ ...one, reward: rewards.get(`${row.decisionId}/${one.rank}`) ?? null })),
  }));
