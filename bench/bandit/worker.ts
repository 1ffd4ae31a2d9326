/** One seed of a problem, in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { play, type Played } from './play.ts';
import { classification, mushrooms } from './problems.ts';
import type { LabelledTable } from './read-table.ts';

export interface Task {
  readonly table: LabelledTable;
  readonly rewards: 'classification' | 'mushrooms';
  readonly rounds: number;
  readonly seed: number;
}

const { table, rewards, rounds, seed } = workerData as Task;
const problem = rewards === 'mushrooms' ? mushrooms(table, rounds, seed) : classification(table, rounds, seed);
const played: Played = play(problem, seed);
parentPort!.postMessage(played);
