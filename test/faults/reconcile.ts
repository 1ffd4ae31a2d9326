/** Holds the client's ledger against state, learner and warehouse: what was acknowledged must be counted, and counted once. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Warehouse } from '#warehouse';
import type { Ledger } from './ledger.ts';

export interface Verdict {
  readonly lost: number;
  readonly doubled: number;
  /** Each difference in words, the first few of each kind. */
  readonly differences: readonly string[];
}

const SETTLE_MS = 90_000;
const SHOWN_OF_KIND = 5;
const READS_AGAIN = 50;

/** Asks again until all agrees or the time to settle is over: counting is asynchronous by design. */
export const reconcile = async (deps: { url: string; warehouse: Warehouse; ledger: Ledger }): Promise<Verdict> => {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const verdict = await compare(deps).catch((error: unknown) => ({
      lost: 1,
      doubled: 0,
      differences: [`could not be compared: ${String(error)}`],
    }));
    if (verdict.differences.length === 0 || Date.now() > deadline) return verdict;
    await delay(1_000);
  }
};

const compare = async ({ url, warehouse, ledger }: { url: string; warehouse: Warehouse; ledger: Ledger }): Promise<Verdict> => {
  const differences: string[] = [];
  let lost = 0;
  let doubled = 0;
  const count = (what: string, expected: number, seen: number): void => {
    lost += Math.max(0, expected - seen);
    doubled += Math.max(0, seen - expected);
    if (expected !== seen) differences.push(`${what}: ${seen} instead of ${expected}`);
  };

  // State: every customer's own counter.
  let inState = 0;
  const wrong: string[] = [];
  for (const [customerId, expected] of ledger.events) {
    const seen = await countInState(url, customerId);
    inState += seen;
    lost += Math.max(0, expected - seen);
    doubled += Math.max(0, seen - expected);
    if (seen !== expected) wrong.push(`state of ${customerId}: ${seen} instead of ${expected} events`);
  }
  differences.push(...wrong.slice(0, SHOWN_OF_KIND));

  // Warehouse: rows that are left after identities have replaced each other, and nothing that was not sent.
  const one = async (sql: string): Promise<number> => Number((await warehouse.query<{ n: string | number }>(sql))[0]?.n ?? 0);
  const sent = [...ledger.events.values()].reduce((sum, n) => sum + n, 0);
  count('events in the warehouse', sent, await one("SELECT count() AS n FROM events FINAL WHERE source = '/faults'"));
  const acknowledged = new Set([...ledger.decisions.values(), ...ledger.unclaimed]);
  const stored = (await warehouse.query<{ id: string }>('SELECT toString(decision_id) AS id FROM decisions FINAL')).map(({ id }) => id);
  const missing = [...acknowledged].filter((id) => !stored.includes(id));
  count('acknowledged decisions in the warehouse', acknowledged.size, acknowledged.size - missing.length);
  count('decision ids in the warehouse', new Set(stored).size, stored.length);
  // An answer that was lost on its way may have been of a decision that nobody asked for again under a claim that held.
  const unasked = stored.filter((id) => !acknowledged.has(id)).length;
  if (unasked > ledger.retries) count('decisions that were never acknowledged', ledger.retries, unasked);
  count('outcomes in the warehouse', ledger.outcomes.size, await one('SELECT count() AS n FROM outcomes FINAL'));

  // Rewards are made by the state role: their sums say that every outcome was folded, and none twice.
  const targets = new Map<string, number>();
  for (const { decisionId, outcome } of ledger.outcomes.values())
    targets.set(decisionId, Math.max(targets.get(decisionId) ?? 0, outcome === 'accepted' ? 1 : 0));
  const accepted = [...targets.values()].reduce((sum, target) => sum + target, 0);
  count(
    'shown actions with a target',
    targets.size,
    await one("SELECT count() AS n FROM rewards FINAL WHERE target IS NOT NULL AND outcome != 'none'"),
  );
  count('accepted actions', accepted, await one('SELECT countIf(target = 1) AS n FROM rewards FINAL'));

  // Learner: rows learned, of the champion of the catalog's loop.
  const models = (await (await fetch(`${url}/v1/models`)).json()) as { models: { loop: string; role: string; experiences: number }[] };
  const champion = models.models.find((model) => model.loop === '' && model.role === 'champion');
  count('experiences of the learner', targets.size, champion?.experiences ?? 0);
  if (inState !== sent && wrong.length === 0) differences.push(`events in state: ${inState} instead of ${sent}`);
  return { lost, doubled, differences };
};

/** A read that took longer than it may is asked again: thousands of them follow one another on a busy machine. */
const countInState = async (url: string, customerId: string): Promise<number> => {
  let response = await fetch(`${url}/v1/customers/${customerId}`);
  for (let again = 0; response.status === 503 && again < READS_AGAIN; again++) {
    await response.body?.cancel();
    await delay(100);
    response = await fetch(`${url}/v1/customers/${customerId}`);
  }
  if (response.status === 404) return 0;
  if (!response.ok) throw new Error(`GET customer ${customerId}: ${response.status}`);
  const { features } = (await response.json()) as { features: Record<string, number> };
  return Math.round(features['orders365d'] ?? 0);
};
