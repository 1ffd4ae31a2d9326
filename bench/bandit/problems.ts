/** Problems made of tables: rows in an order by seed, each class an arm. */
import { mulberry32, type BanditProblem } from './play.ts';
import type { LabelledTable } from './read-table.ts';

/** Fisher–Yates. */
export const shuffled = (count: number, seed: number): Int32Array => {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  const random = mulberry32(seed + 1_000_003);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
};

/** Reward 1 for the right class; regret against always right. Rows come once around, then again. */
export const classification = ({ contexts, labels, classes }: LabelledTable, rounds: number, seed: number): BanditProblem => {
  const order = shuffled(contexts.length, seed);
  const rowOf = (round: number): number => order[round % order.length]!;
  return {
    arms: classes,
    rounds,
    context: (round) => contexts[rowOf(round)]!,
    reward: (round, arm) => (labels[rowOf(round)] === arm ? 1 : 0),
    regret: (round, arm) => (labels[rowOf(round)] === arm ? 0 : 1),
  };
};

const EAT = 1;

/** Rows with replacement; eating an edible one +5, a poisonous one +5 or −35 by a coin; leaving it 0 (Riquelme, Tucker & Snoek 2018). */
export const mushrooms = (
  table: LabelledTable,
  rounds: number,
  seed: number,
): BanditProblem & { readonly order: Int32Array; readonly coins: Uint8Array } => {
  const edible = table.classes.indexOf('e');
  const random = mulberry32(seed + 2_000_003);
  const order = Int32Array.from({ length: rounds }, () => Math.floor(random() * table.contexts.length));
  const coins = Uint8Array.from({ length: rounds }, () => (random() < 0.5 ? 1 : 0));
  const isEdible = (round: number): boolean => table.labels[order[round]!] === edible;
  return {
    order,
    coins,
    arms: ['leave', 'eat'],
    rounds,
    context: (round) => table.contexts[order[round]!]!,
    reward: (round, arm) => (arm !== EAT ? 0 : isEdible(round) || coins[round] === 1 ? 5 : -35),
    regret: (round, arm) => (isEdible(round) ? (arm === EAT ? 0 : 5) : arm === EAT ? 15 : 0),
  };
};
