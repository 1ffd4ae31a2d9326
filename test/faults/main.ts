/**
 * Faults: kill -9 of API, pipeline and warehouse at random moments under load; at the end every acknowledged input is counted once.
 * `--engines`: the production engines, see engines.ts. `npm run test:faults [-- --short] [-- --rounds N] [-- --seed N]`; last line JSON: rounds, lost, doubled.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { READER, openWarehouse } from '#warehouse';
import { freePort } from '../free-port.ts';
import { startClient } from './ledger.ts';
import { reconcile } from './reconcile.ts';
import { startSystem, untilReady } from '../system.ts';
import type { Role } from '../system.ts';

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
    engines: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});
const rounds = Number(values.rounds ?? (values.short ? (values.engines ? 9 : 6) : values.engines ? 36 : 24));
const ROLES: readonly Role[] = ['pipeline', 'serve', 'warehouse'];
const READER_PASSWORD = 'faults-reader-password';

const run = async (): Promise<boolean> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'attune-faults-'));
  const port = await freePort();
  const warehousePort = await freePort();
  const system = await startSystem({ dataDir, port, warehousePort, env: { ATTUNE_WAREHOUSE_READER_PASSWORD: READER_PASSWORD } });
  const warehouse = openWarehouse({ url: system.warehouseUrl, username: READER, password: READER_PASSWORD, database: 'attune' });

  let seed = Number(values.seed) >>> 0;
  const random = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32;
  };
  // A kill right after an acknowledgement finds the pipeline between append and commit far more often than a kill at any time.
  let onNextAcknowledgement: (() => void) | null = null;
  const client = startClient({
    url: system.url,
    customers: 300,
    workers: 12,
    run: 'f',
    seed: Number(values.seed),
    pauseMs: 5,
    onAcknowledged: () => onNextAcknowledgement?.(),
  });

  const killed: Record<Role, number> = { serve: 0, pipeline: 0, warehouse: 0 };
  const bytes: number[] = [];
  for (let round = 0; round < rounds; round++) {
    // Every other kill finds a system at work, the ones between may find one that is still getting up.
    if (round % 2 === 0) await untilReady(system.url);
    await delay(500 + random() * 2_500);
    const role = ROLES[round % ROLES.length]!;
    if (round % 2 === 0) {
      await new Promise<void>((resolve) => {
        onNextAcknowledgement = resolve;
        setTimeout(resolve, 2_000).unref();
      });
      onNextAcknowledgement = null;
      await delay(random() * 20);
    }
    if (system.kill(role)) killed[role]++;
    else round--;
    bytes.push(sizeOf(dataDir));
    console.log(
      `round ${round + 1} of ${rounds}: kill -9 ${role}; ${client.ledger.decisions.size} decisions, ${client.ledger.retries} retries, ${(bytes.at(-1)! / 1e6).toFixed(0)} MB`,
    );
  }
  await untilReady(system.url);
  await client.stop();
  await untilReady(system.url);

  const verdict = await reconcile({ url: system.url, warehouse, ledger: client.ledger });
  await warehouse.close();
  await system.stop();
  const inputs =
    [...client.ledger.events.values()].reduce((sum, n) => sum + n, 0) + client.ledger.decisions.size + client.ledger.outcomes.size;
  const bytesPerInput = Math.round(sizeOf(dataDir) / inputs);
  for (const line of [...verdict.differences, ...client.ledger.refused.slice(0, 10), ...client.ledger.changed.slice(0, 10)])
    console.log(line);
  const good = verdict.lost === 0 && verdict.doubled === 0 && client.ledger.refused.length === 0 && client.ledger.changed.length === 0;
  if (!good) console.log(system.tail.slice(-40).join('\n'));
  if (good && !values.keep) rmSync(dataDir, { recursive: true, force: true });
  else console.log(`the data stay in ${dataDir}`);
  console.log(
    JSON.stringify({
      bench: 'faults',
      rounds,
      lost: verdict.lost,
      doubled: verdict.doubled,
      killed,
      inputs,
      retries: client.ledger.retries,
      refused: client.ledger.refused.length,
      changedDecisions: client.ledger.changed.length,
      bytesPerInput,
    }),
  );
  return good;
};

const sizeOf = (path: string): number => {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  // Allocated blocks, not length: LMDB's files are sparse.
  if (!stat.isDirectory()) return stat.blocks * 512;
  let sum = 0;
  try {
    for (const name of readdirSync(path)) sum += sizeOf(join(path, name));
  } catch {
    // The warehouse drops parts while we look.
  }
  return sum;
};

const runEngines = async (): Promise<boolean> => {
  const { runEngineFaults } = await import('./engines.ts');
  return runEngineFaults({ rounds, seed: Number(values.seed), keep: values.keep, only: values.only });
};

process.exitCode = (await (values.engines ? runEngines() : run())) ? 0 : 1;
