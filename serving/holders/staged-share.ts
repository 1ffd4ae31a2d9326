/** Which customers a challenger serves: always the same ones, by hash, so that a share can be raised and nobody changes sides. */
import { hash32, hashUnit, type CustomerKey, type Scorer, type StagedModel } from '#contracts';

/** Serves the customers whose hash, in [0, 1), is within. */
export interface StagedScorer {
  readonly scorer: Scorer;
  readonly from: number;
  readonly to: number;
  /** Of the hash: another first challenger draws other customers, so that not the same ones are always tried on. */
  readonly seed: number;
}

/** In the order of the shares; what is not there to score leaves its customers to the champion. */
export const stagedScorers = (scorers: readonly Scorer[], shares: readonly StagedModel[]): readonly StagedScorer[] => {
  const staged: StagedScorer[] = [];
  let from = 0;
  let seed: number | null = null;
  for (const { version, share } of shares) {
    const scorer = scorers.find((one) => one.version === version);
    if (scorer === undefined || share === 0) continue;
    seed ??= hash32(version);
    staged.push({ scorer, from, to: Math.min(1, from + share), seed });
    from += share;
  }
  return staged;
};

/** Null: the champion serves this customer. */
export const stagedFor = (staged: readonly StagedScorer[], customerKey: CustomerKey): Scorer | null => {
  const at = hashUnit(customerKey, staged[0]!.seed);
  return staged.find(({ from, to }) => at >= from && at < to)?.scorer ?? null;
};
