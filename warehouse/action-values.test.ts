/** The view `action_values` says what the estimators of models/evaluation say of the same decisions, read back from the embedded warehouse. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDecisionId, hashUnit } from '#contracts';
import { createLoggedDecisions } from '#models';
import {
  asymptoticInterval,
  collectRounds,
  inversePropensity,
  selfNormalisedInversePropensity,
  supportOf,
  valueOf,
} from '#models/evaluation';
import { openWarehouse, readLoggedRows, startEmbeddedServer, type EmbeddedServer, type Warehouse } from './index.ts';
import { hasChdb } from './server/test-chdb.ts';

const IDS = ['plan', 'phone', 'notice'];
const DECISIONS = 400;
const textOf = (ms: number): string => new Date(ms).toISOString().slice(0, 23).replace('T', ' ');
const startMs = Date.now() - 86_400_000;

describe.skipIf(!hasChdb())('action_values (skipped where the optional package chdb is absent)', () => {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'attune-values-'));
  let server: EmbeddedServer;
  let warehouse: Warehouse;
  beforeAll(async () => {
    server = await startEmbeddedServer({ dir });
    warehouse = openWarehouse({ url: server.url, username: 'pipeline', password: server.users.pipeline });
    await warehouse.migrate();
    const [decisions, rewards] = [[], []] as [Record<string, unknown>[], Record<string, unknown>[]];
    for (let n = 0; n < DECISIONS; n++) {
      const atMs = startMs + n * 1_000;
      const decisionId = createDecisionId({ atMs, shard: 0, entropy: [n, 7] });
      const customerKey = (n % 90).toString(16).padStart(32, '0');
      const phone = 0.1 + 0.5 * hashUnit(`p-${n}`);
      const probabilities = [0.9 - phone, phone, 0];
      const drawn = hashUnit(`d-${n}`);
      const index = drawn < probabilities[0]! ? 0 : drawn < 0.9 ? 1 : -1;
      const chosen = index < 0 ? [] : [IDS[index]!];
      decisions.push({
        decision_id: decisionId,
        customer_key: customerKey,
        decided_at: textOf(atMs),
        loop: '',
        group_name: n % 37 === 0 ? 'untouched' : 'model',
        model_version: 'm',
        'candidates.action_id': [...IDS, 'none'],
        'candidates.stage': [0, 0, 0, 0],
        'candidates.scored': [true, true, true, true],
        'candidates.propensity': [0.1, 0.2, 0.3, 0],
        'candidates.priority': [1, 2, 3, 0],
        'candidates.gamma': [5, 5, 5, 5],
        'candidates.probability': [...probabilities, 0.1],
        none_probability: 0.1,
        'chosen.rank': chosen.map(() => 1),
        'chosen.action_id': chosen,
        'chosen.treatment_id': chosen,
        'chosen.propensity': chosen.map(() => 0.1),
        'chosen.probability': chosen.map(() => probabilities[index]!),
        'chosen.value': chosen.map(() => 1),
        'chosen.priority': chosen.map(() => 1),
        log_offset: n,
        recorded_at: textOf(atMs),
      });
      if (index < 0) continue;
      const reward = hashUnit(`r-${n}`) < 0.3 + 0.2 * index ? 10 : -1;
      const row = {
        decision_id: decisionId,
        rank: 1,
        customer_key: customerKey,
        action_id: IDS[index],
        loop: '',
        kind: 'matured',
        target: reward > 0 ? 1 : 0,
        reward,
      };
      rewards.push({
        ...row,
        outcome: 'none',
        decided_at: textOf(atMs),
        occurred_at: textOf(atMs),
        matured: n % 11 !== 0,
        revision: 1,
        source_offset: n,
        log_offset: n,
        recorded_at: textOf(atMs),
      });
    }
    await warehouse.insertJson('decisions', decisions);
    await warehouse.insertJson('rewards', rewards);
  }, 60_000);
  afterAll(async () => {
    await warehouse.close();
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test('equals IPS, SNIPS, effective sample size and clustered errors in TypeScript', async () => {
    const rows = await warehouse.query<Record<string, number> & { action_id: string }>('SELECT * FROM action_values ORDER BY action_id');
    // Never drawn, so nothing is said of it.
    expect(rows.map(({ action_id }) => action_id)).toEqual(['phone', 'plan']);
    const logged = createLoggedDecisions({ rows: readLoggedRows(warehouse), profiles: async () => (id) => ({ id, features: {} }) });
    for (const row of rows) {
      const rounds = await collectRounds(logged.read({ loop: '' }), {
        policies: [
          (decision, out) => {
            out[IDS.indexOf(row.action_id)] = 1;
            return decision.candidates.length === 3;
          },
        ],
      });
      const { log, clusters } = rounds;
      const policy = rounds.policies[0]!;
      const [ips, snips] = [inversePropensity(log, policy), selfNormalisedInversePropensity(log, policy)];
      const close = (name: string, value: number): void =>
        expect(Math.abs(row[name]! - value), name).toBeLessThan(1e-6 * Math.max(1, Math.abs(value)));
      expect(Number(row['decisions'])).toBe(log.action.length);
      close('ips', valueOf(ips));
      close('snips', valueOf(snips));
      close('effective_n', supportOf(log, policy).effectiveN);
      close('largest_weight', supportOf(log, policy).largestWeight);
      close('logged', log.reward.reduce((sum, r) => sum + r, 0) / log.reward.length);
      close('outside', 0);
      // Hall's correction and Student's t are the difference between the intervals; the view has neither.
      for (const [name, terms] of [
        ['ips', ips],
        ['snips', snips],
      ] as const) {
        const { low, high } = asymptoticInterval(terms, { clusters });
        const width = row[`${name}_high`]! - row[`${name}_low`]!;
        expect(width / (high - low)).toBeGreaterThan(0.93);
        expect(width / (high - low)).toBeLessThan(1.02);
      }
    }
  });
});
