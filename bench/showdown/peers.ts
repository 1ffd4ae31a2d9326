/** Vowpal Wabbit on the same rows in the same order with the same coins, in Python beside us. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mushrooms, shuffled } from '../bandit/problems.ts';
import type { LabelledTable } from '../bandit/read-table.ts';
import type { ShowdownSet } from './sets.ts';

export interface PeerResult {
  /** SquareCB as it comes, or the best of the grid on this set. */
  readonly kind: 'defaults' | 'tuned';
  readonly options: string;
  /** % of the uniform policy's regret. */
  readonly bySeed: readonly number[];
}

export const playPeers = async (options: {
  readonly python: string;
  readonly set: ShowdownSet;
  readonly table: LabelledTable;
  readonly rounds: number;
  readonly seeds: number;
  /** Seeds on which the grid is compared; its best is then played on all. */
  readonly gridSeeds: number;
}): Promise<readonly PeerResult[]> => {
  const { python, set, table, rounds, seeds, gridSeeds } = options;
  const folder = mkdtempSync(join(tmpdir(), 'attune-showdown-'));
  try {
    const task = {
      rewards: set.rewards,
      classes: table.classes,
      edible: table.classes.indexOf('e'),
      contexts: table.contexts,
      labels: [...table.labels],
      gridSeeds,
      seeds: Array.from({ length: seeds }, (_, seed) => {
        if (set.rewards !== 'mushrooms') return { order: [...shuffled(table.contexts.length, seed).subarray(0, rounds)] };
        const { order, coins } = mushrooms(table, rounds, seed);
        return { order: [...order], coins: [...coins] };
      }),
    };
    writeFileSync(join(folder, 'task.json'), JSON.stringify(task));
    const script = fileURLToPath(new URL('../peers/vw-showdown.py', import.meta.url));
    await new Promise<void>((resolve, reject) => {
      const child = spawn(python, [script, folder], { stdio: ['ignore', 'inherit', 'inherit'] });
      child.once('error', reject);
      child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${python} ${script} ended with ${code}`))));
    });
    return JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as PeerResult[];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
