/** Decides a receipt again: from its recorded scores, and from the kept snapshot that made them. */
import { profileWithoutPersonal, requestWithoutPersonal } from '#contracts';
import type { ActionProfile, Context, Decision, Scorer } from '#contracts';
import { redecide, verifyReceipt, type RedecideInput } from '#decisioning';

export interface Replay {
  readonly identical: boolean;
  readonly differences: readonly string[];
  readonly actions: Decision['chosen'];
  /** Null: the snapshot is gone, or none scored. */
  readonly rescored: Rescored | null;
}

export interface Rescored {
  readonly largestDifference: number;
  readonly agrees: boolean;
  readonly modelVersion: string;
  readonly modelSnapshot: number;
}

const TOLERANCE = 1e-5;

export const replay = (input: RedecideInput, scorer: Scorer | null): Replay => {
  const differences = verifyReceipt(input);
  return {
    identical: differences.length === 0,
    differences,
    actions: differences.length === 0 ? input.receipt.chosen : attempt(input),
    rescored: scorer === null ? null : rescore(input, scorer),
  };
};

const attempt = (input: RedecideInput): Decision['chosen'] => {
  try {
    return redecide(input).chosen;
  } catch {
    return [];
  }
};

const rescore = ({ receipt, catalog, view }: RedecideInput, scorer: Scorer): Rescored => {
  const own = receipt.ownCandidates === null ? null : (JSON.parse(receipt.ownCandidates) as ActionProfile[]);
  const indices = receipt.scored.filter((index) => index >= 0);
  const profiles = indices.map((index) =>
    own === null ? catalog.actions[index]!.profile : profileWithoutPersonal(own[index]!, catalog.personal),
  );
  const out = { propensities: new Float32Array(profiles.length), effectiveN: new Float32Array(profiles.length) };
  if (profiles.length > 0) {
    const { channel, direction, placement, decidedAt } = receipt;
    const request = { view, context: JSON.parse(receipt.context) as Context, channel, direction, placement, nowMs: decidedAt };
    scorer.score(requestWithoutPersonal(request, catalog.personal), profiles, out);
  }
  const largestDifference = profiles.reduce((most, _, i) => Math.max(most, Math.abs(out.propensities[i]! - receipt.propensities[i]!)), 0);
  return { largestDifference, agrees: largestDifference <= TOLERANCE, modelVersion: scorer.version, modelSnapshot: scorer.snapshot };
};
