import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addTrial, backfireBounds, type BackfireCounts } from '#models/backfire';
import { openWarehouse, startEmbeddedServer, type EmbeddedServer, type Warehouse } from './index.ts';
import { hasChdb } from './server/test-chdb.ts';

describe.skipIf(!hasChdb())('views of change (skipped where the optional package chdb is absent)', () => {
  let server: EmbeddedServer;
  let warehouse: Warehouse;
  beforeAll(async () => {
    server = await startEmbeddedServer({ dir: mkdtempSync(path.join(os.tmpdir(), 'attune-drift-')) });
    warehouse = openWarehouse({ url: server.url, username: 'pipeline', password: server.users.pipeline });
    await warehouse.migrate();
    // 30 days, 200 decisions each; in the last five `moved` is larger by its own spread, and one action in ten more is accepted.
    const day = 'intDiv(number, 200)';
    const uniform = (salt: number): string => `((sipHash64(number, ${salt}) % 100000) + 0.5) / 100000`;
    const at = `toDateTime64('2026-11-01 00:00:00', 3, 'UTC') + toIntervalDay(${day})`;
    const id = "reinterpretAsUUID(toFixedString(leftPad(toString(number), 16, '0'), 16))";
    await warehouse.command("INSERT INTO feature_sets VALUES ('set', ['steady', 'moved', 'zero'])");
    await warehouse.command(
      `INSERT INTO decisions (recorded_at, decision_id, decided_at, loop, feature_set, features, model_version, \`chosen.rank\`, \`chosen.action_id\`, \`chosen.treatment_id\`, \`chosen.propensity\`, \`chosen.probability\`, \`chosen.value\`, \`chosen.priority\`)
       SELECT now64(3), ${id}, ${at}, '', 'set', [toFloat32(${uniform(1)}), toFloat32(${uniform(2)} + if(${day} >= 24, 0.3, 0)), toFloat32(0)], 'm', [1], ['a'], ['a'], [toFloat32(0.3)], [1], [1], [1] FROM numbers(6000)`,
    );
    await warehouse.command(
      `INSERT INTO rewards (recorded_at, decision_id, rank, action_id, loop, kind, target, reward, outcome, decided_at, occurred_at, matured, revision)
       SELECT now64(3), ${id}, 1, 'a', '', 'matured', toFloat64(${uniform(3)} < if(${day} >= 24, 0.4, 0.3)), 0, 'none', ${at}, ${at}, true, 1 FROM numbers(6000)`,
    );
  }, 60_000);
  afterAll(async () => {
    await warehouse.close();
    await server.stop();
  });

  test('input_drift names the feature that moved, and not the others', async () => {
    const rows = await warehouse.query<{ feature: string; psi: number; recent: number; mean_recent: number; mean_before: number }>(
      'SELECT feature, psi, toUInt32(recent) AS recent, mean_recent, mean_before FROM input_drift ORDER BY psi DESC',
    );
    expect(rows.map(({ feature }) => feature)[0]).toBe('moved');
    const of = (name: string) => rows.find(({ feature }) => feature === name)!;
    expect(of('moved').psi).toBeGreaterThan(0.25);
    expect(of('steady').psi).toBeLessThan(0.05);
    expect(of('zero').psi).toBe(0);
    expect(of('moved').mean_recent - of('moved').mean_before).toBeGreaterThan(0.2);
    expect(of('moved').recent).toBe(1_600);
  });

  test('contact_effects says of matured trials what the guard says of them', async () => {
    let counts: BackfireCounts = [];
    const rows = Array.from({ length: 3_000 }, (_, n) => {
      const share = n < 1_000 ? 0.2 : 0.05;
      const arm = n % (1 / share) === 0 ? 'heldOut' : 'contacted';
      const inbound = n % 7 === 0 || (arm === 'contacted' && n % 5 === 1);
      counts = addTrial(counts, { share, arm, inbound });
      return {
        communication_id: `00000000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`,
        customer_key: n.toString(16).padStart(32, '0'),
        action_id: 'a',
        channel: 'sms',
        state: 'matured',
        arm,
        inbound_contacts: inbound ? 3 : 0,
        holdout_share: share,
        at: '2026-11-01 00:00:00.000',
        recorded_at: '2026-11-01 00:00:00.000',
      };
    });
    await warehouse.insertJson('communications', rows);
    const [row] = await warehouse.query<Record<string, number>>(
      'SELECT toUInt32(contacted) AS contacted, toUInt32(held_out) AS held_out, difference FROM contact_effects',
    );
    const { contacted, heldOut, estimate } = backfireBounds(counts, 0.05);
    expect(row).toMatchObject({ contacted, held_out: heldOut });
    expect(row!['difference']).toBeCloseTo(estimate!, 9);
  });

  test('answers keeps apart who refused, who has it, and who never saw it; applicability_flags names the action at fault', async () => {
    const outcomes = ['accepted', 'rejected', 'later', 'impression', 'alreadyHas', 'alreadyHas', 'neverOffered', 'undelivered'];
    const at = '2026-11-01 00:00:00.000';
    const ids = outcomes.map((_, n) => `00000000-0000-7000-8001-${n.toString(16).padStart(12, '0')}`);
    await warehouse.insertJson(
      'decisions',
      ids.map((decision_id) => ({
        decision_id,
        customer_key: '0'.repeat(32),
        decided_at: at,
        channel: 'callCenter',
        loop: '',
        'chosen.rank': [1],
        'chosen.action_id': ['fiber'],
        'chosen.treatment_id': ['t'],
        'chosen.propensity': [0.1],
        'chosen.probability': [1],
        'chosen.value': [1],
        'chosen.priority': [1],
        recorded_at: at,
      })),
    );
    await warehouse.insertJson(
      'rewards',
      outcomes.map((outcome, n) => ({
        decision_id: ids[n],
        rank: 1,
        action_id: 'fiber',
        loop: '',
        kind: 'outcome',
        target: ['alreadyHas', 'neverOffered', 'undelivered'].includes(outcome) ? null : Number(outcome === 'accepted'),
        reward: 0,
        outcome,
        decided_at: at,
        occurred_at: at,
        matured: true,
        revision: 1,
        recorded_at: at,
      })),
    );
    const counts = 'chosen presented accepted rejected later ignored already_has never_offered undelivered'.split(' ');
    const [answers] = await warehouse.query<Record<string, number>>(
      `SELECT ${counts.map((name) => `toUInt32(${name}) AS ${name}`).join(', ')} FROM answers WHERE action_id = 'fiber' AND channel = 'callCenter'`,
    );
    expect(Object.values(answers!)).toEqual([8, 4, 1, 1, 1, 1, 2, 1, 1]);
    const flags = await warehouse.query<Record<string, number>>(
      'SELECT action_id, toUInt32(asked) AS asked, share, low, high FROM applicability_flags',
    );
    expect(flags).toMatchObject([{ action_id: 'fiber', asked: 6 }]);
    expect(flags[0]!['share']).toBeCloseTo(1 / 3, 9);
    expect(flags[0]!['low']!).toBeGreaterThan(0.05);
    expect(flags[0]!['high']!).toBeLessThan(0.75);
  });

  test('reward_drift shows the week from which outcomes are no longer what was predicted', async () => {
    const rows = await warehouse.query<{ week: string; shift: number; standard_error: number }>(
      'SELECT week, shift, standard_error FROM reward_drift ORDER BY week',
    );
    const z = rows.map(({ shift, standard_error: error }) => shift / error);
    expect(Math.abs(z[1]!)).toBeLessThan(4);
    expect(z.at(-2)).toBeGreaterThan(4);
  });
});
