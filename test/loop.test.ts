/** The walking skeleton, on the real system: event → state → decision → outcome → reward → learner → the next decision differs → SQL. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { READER, openWarehouse } from '#warehouse';
import type { Warehouse } from '#warehouse';
import { hasChdb } from '../warehouse/server/test-chdb.ts';
import { startSystem } from './system.ts';
import type { System } from './system.ts';
import { freePort } from './free-port.ts';

interface Decision {
  readonly decisionId: string;
  readonly group: string;
  readonly modelVersion: string;
  readonly degraded: readonly string[] | null;
  readonly actions: readonly { readonly actionId: string; readonly propensity: number; readonly probability: number }[];
  readonly candidates?: readonly { readonly actionId: string; readonly rule: string | null }[];
}

/** Of the telco catalog: what its cool-downs are about. */
const OFFERS =
  /^(upgrade|family|business|annual|data-pack|international|music|cloud|roaming|device|refurbished|smartwatch|tablet|five-g|fiber|tv|bundle)-/;

const READER_PASSWORD = 'loop-reader-password';
const dataDir = mkdtempSync(join(tmpdir(), 'attune-loop-'));

let system: System;
let warehouse: Warehouse;
beforeAll(async () => {
  system = await startSystem({
    dataDir,
    port: await freePort(),
    warehousePort: await freePort(),
    env: { ATTUNE_WAREHOUSE_READER_PASSWORD: READER_PASSWORD },
  });
  warehouse = openWarehouse({ url: system.warehouseUrl, username: READER, password: READER_PASSWORD });
}, 90_000);
afterAll(async () => {
  await warehouse?.close();
  await system?.stop();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

/** A 503 promises nothing and asks for the same request again; a busy machine may answer so. */
const post = async <T>(path: string, body: unknown): Promise<T> => {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(`${system.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (response.ok) return JSON.parse(text) as T;
    if (response.status !== 503 || attempt === 20)
      throw new Error(`${path}: ${response.status} ${text}\n${system.tail.slice(-20).join('\n')}`);
    await delay(100);
  }
};
const tell = (decisionId: string, actionId: string, outcome: string, reasonCode?: string): Promise<unknown> =>
  post('/v1/outcomes', {
    decisionId,
    actionId,
    outcome,
    outcomeId: `${decisionId}-${actionId}-${outcome}`,
    ...(reasonCode !== undefined && { reasonCode }),
  });
const get = async <T>(path: string): Promise<T> => (await fetch(`${system.url}${path}`)).json() as Promise<T>;
const decide = (customerId: string, requestId?: string): Promise<Decision> =>
  post('/v1/decisions', {
    customerId,
    channel: 'app',
    placement: 'home-hero',
    limit: 3,
    context: { page: 'plans', device: 'ios' },
    ...(requestId !== undefined && { requestId }),
  });
/** Asks again until the answer will do, at most for `withinMs`. */
const eventually = async <T>(ask: () => Promise<T>, good: (answer: T) => boolean, withinMs = 15_000): Promise<T> => {
  for (const endMs = performance.now() + withinMs; ; await delay(50)) {
    const answer = await ask().catch((error: unknown) => error as T);
    if (!(answer instanceof Error) && good(answer)) return answer;
    if (performance.now() > endMs)
      throw new Error(`still ${JSON.stringify(answer)} (${String(answer)}) after ${withinMs} ms\n${system.tail.slice(-20).join('\n')}`);
  }
};
const customer = (index: number): string => `loop-${index}`;

describe('the loop', () => {
  test('an event reaches the customer’s state', async () => {
    const events = Array.from({ length: 200 }, (_, i) => ({
      specversion: '1.0',
      id: `hello-${i}`,
      source: '/loop',
      type: 'customer.updated',
      subject: customer(i),
      data: {
        plan: 'basic',
        tenureMonths: 20,
        ageBand: '26-35',
        deviceTier: 'mid',
        segment: 'consumer',
        consentMarketing: true,
        contractMonthsLeft: 10,
        name: 'Loop Tester',
      },
    }));
    expect(await post('/v1/events', events)).toEqual({ accepted: 200 });
    await eventually(
      () => get<object>(`/v1/customers/${customer(7)}`),
      (view) => JSON.stringify(view).includes('"basic"'),
    );
  });

  test('a decision offers actions, and a retry under the same request id is the same decision', async () => {
    // One alone may be none: a fresh system explores doing nothing too.
    const answers = await Promise.all([7, 8, 9, 10, 11].map((i) => decide(customer(i), `once-${i}`)));
    expect(answers.some(({ actions }) => actions.length > 0)).toBe(true);
    for (const [index, first] of answers.entries()) {
      const again = await decide(customer(7 + index), `once-${7 + index}`);
      expect(again.decisionId).toBe(first.decisionId);
      expect(again.actions).toEqual(first.actions);
    }
  });

  test('what customers accept is offered with another propensity a moment later, and arrives as rows', { timeout: 90_000 }, async () => {
    await eventually(
      () => decide(customer(0)),
      ({ modelVersion }) => modelVersion !== 'priors',
      30_000,
    );
    const fresh = await eventually(
      () => decide(customer(199)),
      ({ actions }) => actions.length > 0,
    );
    const favourite = fresh.actions[0]!.actionId;
    const before = fresh.actions[0]!.propensity;

    let accepted = 0;
    for (let i = 0; i < 150; i++) {
      const { decisionId, actions } = await decide(customer(i));
      for (const { actionId } of actions) {
        await tell(decisionId, actionId, 'impression');
        if (actionId !== favourite) continue;
        accepted++;
        await tell(decisionId, actionId, 'accepted');
      }
    }
    expect(accepted).toBeGreaterThan(0);

    const propensityNow = async (): Promise<number> => {
      for (let i = 150; i < 198; i++) {
        const found = (await decide(customer(i))).actions.find(({ actionId }) => actionId === favourite);
        if (found !== undefined) return found.propensity;
      }
      throw new Error(`${favourite} was not among the answers`);
    };
    const after = await eventually(propensityNow, (propensity) => propensity > before + 0.02);
    expect(after).toBeGreaterThan(before + 0.02);

    if (!hasChdb()) return;
    const count = async (sql: string): Promise<number> =>
      Number((await warehouse.query<{ n: string | number }>(sql, { favourite }))[0]?.n ?? -1);
    await eventually(
      () => count("SELECT count() AS n FROM outcomes FINAL WHERE outcome = 'accepted' AND action_id = {favourite:String}"),
      (n) => n === accepted,
      30_000,
    );
    await eventually(
      () => count('SELECT count() AS n FROM rewards FINAL WHERE action_id = {favourite:String} AND target = 1'),
      (n) => n === accepted,
      30_000,
    );
    expect(await count('SELECT count() AS n FROM events FINAL')).toBe(200);
    expect(JSON.stringify(await warehouse.query('SELECT * FROM events LIMIT 300'))).not.toMatch(/Loop Tester|loop-7\b/);
  });

  test('what an agent hears is kept apart: who has it already, who was never offered it, who refused it and why', async () => {
    const call = (customerId: string): Promise<Decision> =>
      post('/v1/decisions', { customerId, channel: 'callCenter', limit: 3, explain: true });
    let caller = 20;
    const { decisionId, actions } = await eventually(
      () => call(customer(caller++)),
      (answer) => answer.actions.length === 3 && answer.actions.every(({ actionId }) => OFFERS.test(actionId)),
    );
    const [owned, unsaid, refused] = actions.map(({ actionId }) => actionId) as [string, string, string];
    await tell(decisionId, owned, 'alreadyHas');
    await tell(decisionId, unsaid, 'neverOffered');
    await tell(decisionId, refused, 'rejected', 'price');

    const rulesNow = async (): Promise<(string | null | undefined)[]> => {
      const { candidates } = await call(customer(caller - 1));
      return [owned, unsaid, refused].map((id) => candidates?.find(({ actionId }) => actionId === id)?.rule);
    };
    const [ofOwned, ofUnsaid] = await eventually(rulesNow, (rules) => rules[2] === 'rejected-recently');
    expect(ofOwned).toBe('rejected-recently');
    expect(ofUnsaid).not.toBe('rejected-recently');

    if (!hasChdb()) return;
    const rows = await eventually(
      () =>
        warehouse.query<{ actionId: string; outcome: string; reason: string; target: number | null }>(
          `SELECT o.action_id AS actionId, o.outcome AS outcome, o.reason_code AS reason, r.target AS target FROM (SELECT * FROM outcomes FINAL) AS o
            INNER JOIN (SELECT * FROM rewards FINAL) AS r ON r.decision_id = o.decision_id AND r.action_id = o.action_id AND r.outcome = o.outcome
            WHERE o.decision_id = {decisionId:UUID} ORDER BY outcome`,
          { decisionId },
        ),
      ({ length }) => length === 3,
      30_000,
    );
    expect(rows).toEqual([
      { actionId: owned, outcome: 'alreadyHas', reason: '', target: null },
      { actionId: unsaid, outcome: 'neverOffered', reason: '', target: null },
      { actionId: refused, outcome: 'rejected', reason: 'price', target: 0 },
    ]);
    const flags = await eventually(
      () => warehouse.query<{ action_id: string; n: number }>('SELECT action_id, toUInt32(already_has) AS n FROM applicability_flags'),
      ({ length }) => length > 0,
    );
    expect(flags).toEqual([{ action_id: owned, n: 1 }]);
  });
});
