/**
 * How much more one policy earns than another on the same logged decisions: doubly robust, paired, clustered by customer.
 *
 * Per decision d = β Σ_a (π₁(a) − π₀(a)) q(a) + (π₁(A) − π₀(A))/p(A) · (r − β q(A)), with A what was chosen with probability p(A), q the logged
 * priorities and β fitted on the other half of the customers: unbiased whatever q says, since p is known (Dudík, Langford & Li 2011).
 * What both policies would have done alike falls out of the difference, noise and all.
 */
import { hash32 } from '#contracts';

export interface PairedRow {
  readonly customerKey: string;
  readonly reward: number;
  /** Place in the arrays below of what was chosen. */
  readonly chosen: number;
  /** P(chosen in slot 1); one a candidate, and one for `none` where it took part. */
  readonly logged: readonly number[];
  readonly champion: readonly number[];
  readonly challenger: readonly number[];
  /** What each is expected to be worth on any scale; 0 for `none`. */
  readonly worth: readonly number[];
}

export interface PairedDifference {
  readonly decisions: number;
  readonly customers: number;
  /** Reward per decision of the first slot. */
  readonly difference: number;
  /** One-sided: above it with 95 %, by the normal approximation over customers. */
  readonly low: number;
  readonly high: number;
  readonly championValue: number;
  readonly challengerValue: number;
  /** Of the challenger's weights, Kish: (Σw)²/Σw². */
  readonly effectiveN: number;
  readonly largestWeight: number;
  /** Share of the challenger's choices that the log could never have shown. */
  readonly unsupported: number;
}

const Z_95 = 1.6448536269514722;

interface Kept {
  readonly customer: string;
  readonly fold: 0 | 1;
  readonly reward: number;
  readonly worth: number;
  readonly loggedWorthOf: readonly [champion: number, challenger: number];
  readonly weightOf: readonly [champion: number, challenger: number];
}

export interface PairedDifferenceSum {
  /** Throws nothing; a row whose choice had probability 0 (a notice) is left out. */
  add(row: PairedRow): void;
  estimate(): PairedDifference;
}

/** O(rows) of memory, 100 bytes each. */
export const createPairedDifference = (): PairedDifferenceSum => {
  const kept: Kept[] = [];
  let unsupported = 0;
  return {
    add({ customerKey, reward, chosen, logged, champion, challenger, worth }) {
      const p = logged[chosen] ?? 0;
      if (p <= 0) return;
      const expected = (policy: readonly number[]): number => policy.reduce((sum, share, a) => sum + share * worth[a]!, 0);
      unsupported += challenger.reduce((sum, share, a) => (logged[a]! > 0 ? sum : sum + share), 0);
      kept.push({
        customer: customerKey,
        fold: (hash32(customerKey, 77) & 1) as 0 | 1,
        reward,
        worth: worth[chosen]!,
        loggedWorthOf: [expected(champion), expected(challenger)],
        weightOf: [champion[chosen]! / p, challenger[chosen]! / p],
      });
    },
    estimate() {
      const beta = [0, 1].map((fold) => slopeOf(kept.filter((row) => row.fold !== fold)));
      const values = [0, 0];
      const byCustomer = new Map<string, { sum: number; n: number }>();
      let [weights, squares, largest] = [0, 0, 0];
      for (const row of kept) {
        const b = beta[row.fold]!;
        const [zero, one] = [0, 1].map((k) => b * row.loggedWorthOf[k]! + row.weightOf[k]! * (row.reward - b * row.worth)) as [
          number,
          number,
        ];
        values[0]! += zero;
        values[1]! += one;
        const cluster = byCustomer.get(row.customer) ?? { sum: 0, n: 0 };
        byCustomer.set(row.customer, cluster);
        cluster.sum += one - zero;
        cluster.n++;
        weights += row.weightOf[1];
        squares += row.weightOf[1] ** 2;
        largest = Math.max(largest, row.weightOf[1]);
      }
      const n = kept.length;
      const difference = n === 0 ? 0 : (values[1]! - values[0]!) / n;
      let variance = 0;
      for (const { sum, n: size } of byCustomer.values()) variance += (sum - difference * size) ** 2;
      const clusters = byCustomer.size;
      const error = n === 0 ? 0 : (Math.sqrt(variance) / n) * Math.sqrt(clusters / Math.max(1, clusters - 1));
      return {
        decisions: n,
        customers: clusters,
        difference,
        low: difference - Z_95 * error,
        high: difference + Z_95 * error,
        championValue: n === 0 ? 0 : values[0]! / n,
        challengerValue: n === 0 ? 0 : values[1]! / n,
        effectiveN: squares === 0 ? 0 : weights ** 2 / squares,
        largestWeight: largest,
        unsupported: n === 0 ? 0 : unsupported / n,
      };
    },
  };
};

/** Of reward over worth, through 0. */
const slopeOf = (rows: readonly Kept[]): number => {
  const [xy, xx] = rows.reduce(([xy, xx], { reward, worth }) => [xy + reward * worth, xx + worth * worth], [0, 0]);
  return xx === 0 ? 0 : xy / xx;
};
