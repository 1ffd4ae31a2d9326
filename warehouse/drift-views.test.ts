import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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

  test('reward_drift shows the week from which outcomes are no longer what was predicted', async () => {
    const rows = await warehouse.query<{ week: string; shift: number; standard_error: number }>(
      'SELECT week, shift, standard_error FROM reward_drift ORDER BY week',
    );
    const z = rows.map(({ shift, standard_error: error }) => shift / error);
    expect(Math.abs(z[1]!)).toBeLessThan(4);
    expect(z.at(-2)).toBeGreaterThan(4);
  });
});
