/** `attune evaluate` end to end: a simulated pilot made by the product's own API and roles, its warehouse, and the command line upon it. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { PolicyEvaluation, SlotEvaluation } from '#models/evaluation';
import { openWarehouse, readWarehouseUsers, type Warehouse } from '#warehouse';
import { EXIT } from '../cli/exit-codes.ts';
import { hasChdb } from '../warehouse/server/test-chdb.ts';
import { embeddedEnv } from './embedded-env.ts';
import { freePort } from './free-port.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '..');
const ENTRY = join(ROOT, 'cli/attune.mjs');
const DECISIONS = 800;

type Told = PolicyEvaluation & { readonly name: string; readonly unscored: number; readonly slots: SlotEvaluation | null };

describe.skipIf(!hasChdb())('attune evaluate (skipped where the optional package chdb is absent)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-evaluate-'));
  const dataDir = join(dir, 'pilot');
  const catalogDir = join(dataDir, 'catalog');
  let env: NodeJS.ProcessEnv;
  let warehouseProcess: ChildProcess;
  let warehouse: Warehouse;

  beforeAll(async () => {
    const sizes = { decisions: DECISIONS, customers: 200, days: 4, limit: 3 };
    const args = Object.entries(sizes).flatMap(([name, size]) => [`--${name}`, String(size)]);
    await run(process.execPath, [join(ROOT, 'notebooks/simulate-history.ts'), '--dir', dataDir, ...args], { env: embeddedEnv() });
    const port = await freePort();
    env = { ...embeddedEnv(), ATTUNE_DATA_DIR: dataDir, ATTUNE_CATALOG: catalogDir, ATTUNE_WAREHOUSE_PORT: String(port) };
    warehouseProcess = spawn(process.execPath, [ENTRY, 'warehouse'], { env, stdio: 'ignore' });
    const password = readWarehouseUsers(join(dataDir, 'warehouse')).pipeline;
    warehouse = openWarehouse({ url: `http://127.0.0.1:${port}`, username: 'pipeline', password });
    await vi.waitFor(() => warehouse.query('SELECT 1'), { timeout: 60_000, interval: 200 });
  }, 300_000);
  afterAll(async () => {
    await warehouse.close();
    warehouseProcess.kill();
    await new Promise((resolve) => warehouseProcess.once('exit', resolve));
    rmSync(dir, { recursive: true, force: true });
  });

  const evaluate = async (...args: string[]): Promise<string> =>
    (await run(process.execPath, [ENTRY, 'evaluate', ...args], { env })).stdout;
  const evaluated = async (...args: string[]): Promise<Told> => JSON.parse(await evaluate(...args, '--json')) as Told;
  /** Of what was decided, and not held out: by SQL alone. */
  const asLogged = async (): Promise<Readonly<Record<'decisions' | 'customers' | 'first' | 'whole' | 'slots', number>>> => {
    const [one] = await warehouse.query<Record<'decisions' | 'customers' | 'first' | 'whole' | 'slots', string>>(
      `SELECT count() AS decisions, uniqExact(customer_key) AS customers, sum(reward1) / count() AS first, sum(rewards) / count() AS whole, max(slots) AS slots
       FROM (
         SELECT d.decision_id AS decision_id, any(d.customer_key) AS customer_key, sumIf(r.reward, r.rank = 1) AS reward1, sum(r.reward) AS rewards, countIf(r.rank > 0) AS slots
         FROM (SELECT * FROM decisions FINAL WHERE group_name != 'untouched') AS d
         LEFT JOIN (SELECT decision_id, rank, argMax(reward, revision) AS reward FROM rewards GROUP BY decision_id, rank) AS r ON r.decision_id = d.decision_id
         GROUP BY decision_id)`,
    );
    const { decisions, customers, first, whole, slots } = one!;
    return { decisions: Number(decisions), customers: Number(customers), first: Number(first), whole: Number(whole), slots: Number(slots) };
  };

  test('the logged policy is worth what SQL says that was earned, in slot 1 and in all slots', async () => {
    const truth = await asLogged();
    const found = await evaluated('--policy', 'logged', '--slots', 'independent');
    expect(found).toMatchObject({ decisions: truth.decisions, customers: truth.customers, name: 'as it was logged', unscored: 0 });
    expect(found.decisions).toBeGreaterThan(0.9 * DECISIONS);
    expect(found.logged).toBeCloseTo(truth.first, 4);
    expect(found.estimates.ips.value).toBeCloseTo(truth.first, 4);
    expect(truth.slots).toBe(3);
    const slots = found.slots!;
    expect(slots.slots.map(({ rank }) => rank)).toEqual([1, 2, 3]);
    expect(slots.logged).toBeCloseTo(truth.whole, 4);
    expect(slots.total.value).toBeCloseTo(truth.whole, 4);
    expect(Math.abs(slots.difference.value)).toBeLessThan(1e-9);
  });

  test('a constant action is worth what the view action_values says, as a table for a person, too', async () => {
    const [row] = await warehouse.query<{ action_id: string; ips: string; snips: string; shown: string }>(
      "SELECT action_id, ips, snips, shown FROM action_values WHERE loop = '' AND outside = 0 ORDER BY shown DESC LIMIT 1",
    );
    expect(Number(row!.shown)).toBeGreaterThan(5);
    const found = await evaluated('--action', row!.action_id);
    expect(found.estimates.ips.value).toBeCloseTo(Number(row!.ips), 4);
    expect(found.estimates.snips.value).toBeCloseTo(Number(row!.snips), 4);
    const table = await evaluate('--action', row!.action_id);
    expect(table).toContain(`policy      always ${row!.action_id}\n`);
    expect(table).toMatch(/ {2}IPS +[\d.−]+ {3}[\d.−]+ to [\d.−]+/);
    expect(table.trimEnd().split('\n').at(-1)).toMatch(/^\* Go by DR\.|^The log knows too little/);
  });

  test('another exploration, the same as a catalog that sets it, and a model as it was', async () => {
    const greedy = await evaluated('--policy', 'greedy', '--rewards=-100,1000', '--floor', '0.01');
    expect(greedy.support.effectiveN).toBeLessThan(greedy.decisions);
    expect(greedy.intervals.map(({ method }) => method)).toContain('empirical Bernstein');
    const other = join(dir, 'greedy');
    cpSync(catalogDir, other, { recursive: true });
    const policies = join(other, 'policies.yaml');
    writeFileSync(policies, readFileSync(policies, 'utf8').replace(/^exploration: .*$/m, 'exploration: { policy: greedy }'));
    const catalog = await evaluated('--catalog', other);
    expect(catalog.name).toContain(other);
    expect(catalog.decisions).toBe(greedy.decisions);
    // Values and context weights are computed anew: what differs is what the log rounded.
    expect(Math.abs(catalog.support.effectiveN - greedy.support.effectiveN)).toBeLessThan(0.05 * greedy.support.effectiveN);

    const [served] = await warehouse.query<{ model_version: string }>(
      "SELECT model_version FROM decisions FINAL WHERE model_version != 'priors' GROUP BY model_version ORDER BY count() DESC LIMIT 1",
    );
    const model = await evaluated('--model', served!.model_version);
    expect(model.name).toBe(`model ${served!.model_version}, as it was before each decision`);
    for (const { decisions, unscored, leftOut } of [greedy, catalog, model])
      expect(decisions + unscored + Object.values(leftOut).reduce((a, b) => a + b, 0)).toBe(DECISIONS);
    expect(model.decisions).toBeGreaterThan(100);
  });

  test('all slots name what they assume', async () => {
    const text = await evaluate('--policy', 'greedy', '--slots', 'cascade');
    expect(text).toContain('all slots   cascade, which assumes that a slot’s reward depends on its own action and those above it; IPS.');
    expect(text.split('\n').filter((line) => /^ {2}[123] +\d/.test(line))).toHaveLength(3);
    expect(text).toMatch(/ {2}all together [\d.−]+, 95 % interval [\d.−]+ to [\d.−]+; as logged [\d.−]+, less logged [+−][\d.]+/);
  });

  const refused = async (...args: string[]): Promise<{ readonly code: number; readonly stderr: string }> => {
    const error = await evaluate(...args).then(
      (stdout) => {
        throw new Error(`it answered ${stdout}`);
      },
      (fault: { code: number; stderr: string }) => fault,
    );
    return { code: error.code, stderr: error.stderr };
  };

  test.each([
    [[], 'name one of --action, --policy, --model and --catalog, not none'],
    [['--policy', 'greedy', '--from', 'yesterday'], '--from must be a date as in'],
    [['--policy', 'greedy', '--slots', 'all'], "--slots must be one of first, independent, cascade, standard, not 'all'"],
    [['--action', 'fiber-1000', '--slots', 'cascade'], 'says nothing of those below the first'],
    [['--catalog', '/nowhere/at/all'], '/nowhere/at/all'],
  ])('what is not to be understood is refused, and the option at fault is named: %j', async (args, sentence) => {
    const { code, stderr } = await refused(...args);
    expect(stderr).toContain(sentence);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(code).toBe(EXIT.unusable);
  });

  test.each([
    [['--model', '0123456789abcdef'], 'there is no model version "0123456789abcdef"'],
    [['--policy', 'greedy', '--loop', 'nobody'], 'the log holds none in this time'],
    [['--policy', 'greedy', '--slots', 'standard'], 'with which probability it ended an answer is not in the log'],
  ])('what the log cannot answer is told in a sentence: %j', async (args, sentence) => {
    const { code, stderr } = await refused(...args);
    expect(stderr).toContain(sentence);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(code).not.toBe(EXIT.ok);
  });
});
