/** A version's scorer as it was at a moment: one that had learned from nothing that was decided later, so that what it says of it is a prediction. */
import { AttuneError } from '#contracts';
import type { ModelRecord, Scorer } from '#contracts';
import type { FeatureStore } from '#feature-store';
import { openVersion, restoreLearner } from '#models';
import type { ModelVersion } from '#models';
import type { KnownVersion } from './read-models.ts';

export interface ScorerAt {
  /** From here on there is one. */
  readonly fromMs: number;
  /** Null: it had learned from decisions of that time, or was not there. */
  at(decidedAtMs: number): Promise<Scorer | null>;
}

/**
 * The newest snapshot that was kept before the decision (one an hour is); before the first, what training made, which had learned from nothing
 * since `posteriorUntil`. Throws `promotion.no-artifact`.
 */
export const openScorerAt = async (blobs: FeatureStore['blobs'], known: KnownVersion): Promise<ScorerAt> => {
  const versionBytes = known.root === null ? null : await blobs.get(known.root.blob);
  if (versionBytes === null)
    throw new AttuneError('promotion.no-artifact', `the artifact of model ${known.version} is not in the feature store`);
  const version = await openVersion(versionBytes);
  const trained = await trainedScorer(blobs, version, known);
  const opened = new Map<string, Scorer | null>();
  const open = async ({ blob }: ModelRecord): Promise<Scorer | null> => {
    const before = opened.get(blob);
    if (before !== undefined) return before;
    const bytes = await blobs.get(blob);
    const scorer = bytes === null ? null : version.open(bytes);
    opened.set(blob, scorer);
    return scorer;
  };
  const firstKept = known.kept[0];
  return {
    fromMs: trained !== null ? known.posteriorUntil : (firstKept?.at ?? Infinity),
    async at(decidedAtMs) {
      const record = known.kept.findLast(({ at }) => at <= decidedAtMs);
      if (record !== undefined) return open(record);
      return decidedAtMs >= known.posteriorUntil ? trained : null;
    },
  };
};

const trainedScorer = async (blobs: FeatureStore['blobs'], version: ModelVersion, { posterior }: KnownVersion): Promise<Scorer | null> => {
  const bytes = posterior === null ? null : await blobs.get(posterior);
  return bytes === null ? null : version.open(restoreLearner(bytes).publish().snapshotBlob);
};
