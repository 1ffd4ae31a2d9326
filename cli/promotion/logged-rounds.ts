/** Collects decisions with what two policies would have done into the flat arrays that estimators read: as many places as the largest decision has. */
import type { LoggedRounds } from '#models/evaluation';

export interface Round {
  readonly customerKey: string;
  readonly reward: number;
  /** Place of what was chosen. */
  readonly chosen: number;
  /** One a candidate, and one for `none` where it took part: P(chosen in slot 1). */
  readonly logged: readonly number[];
  readonly champion: readonly number[];
  readonly challenger: readonly number[];
  /** What each is expected to be worth, on any scale; what is missing at the end is 0. */
  readonly worth: readonly number[];
}

export interface Rounds {
  readonly log: LoggedRounds;
  readonly champion: Float64Array;
  readonly challenger: Float64Array;
  readonly worth: Float64Array;
  /** 1 where the log could have had it. */
  readonly possible: Uint8Array;
  /** By customer. */
  readonly clusters: Int32Array;
  readonly customers: number;
  readonly count: number;
}

export const createLoggedRounds = (): { add(round: Round): void; take(): Rounds } => {
  const rounds: Round[] = [];
  return {
    add: (round) => void rounds.push(round),
    take() {
      const actions = rounds.reduce((most, { logged }) => Math.max(most, logged.length), 1);
      const customers = new Map<string, number>();
      const clusters = Int32Array.from(rounds, ({ customerKey }) => {
        const known = customers.get(customerKey) ?? customers.size;
        customers.set(customerKey, known);
        return known;
      });
      const perAction = (of: (round: Round) => readonly number[]): Float64Array => {
        const out = new Float64Array(rounds.length * actions);
        rounds.forEach((round, i) => out.set(of(round), i * actions));
        return out;
      };
      return {
        log: {
          actions,
          action: Int32Array.from(rounds, ({ chosen }) => chosen),
          reward: Float64Array.from(rounds, ({ reward }) => reward),
          probability: Float64Array.from(rounds, ({ logged, chosen }) => logged[chosen]!),
        },
        champion: perAction(({ champion }) => champion),
        challenger: perAction(({ challenger }) => challenger),
        worth: perAction(({ worth }) => worth),
        possible: Uint8Array.from(
          perAction(({ logged }) => logged),
          (p) => (p > 0 ? 1 : 0),
        ),
        clusters,
        customers: customers.size,
        count: rounds.length,
      };
    },
  };
};
