/** A learner taught from logged decisions in the order of time: the posterior that a new trunk begins with, and how well it predicts on its way. */
import type { Experience } from '#contracts';
import type { LoggedDecision } from '../logged/logged-decision.ts';
import { createVersion } from '../scorer.ts';
import type { Learner } from '../types.ts';
import type { Prediction } from './metrics.ts';

export interface PosteriorBuilder {
  /** In the order of time. */
  add(decisions: readonly LoggedDecision[]): void;
  /** Rows decided since `scoredFromMs`, each predicted before it was learned. */
  readonly predictions: readonly (Prediction & { readonly actionId: string; readonly served: number })[];
}

/** As the learner publishes within a second or so: predictions are this many rows behind. */
const PUBLISHED_EVERY = 500;

export const buildPosterior = (learner: Learner, scoredFromMs: number): PosteriorBuilder => {
  const version = createVersion(learner.versionBlob);
  const predictions: PosteriorBuilder['predictions'][number][] = [];
  const waiting: LoggedDecision[] = [];
  const out = { propensities: new Float32Array(1), effectiveN: new Float32Array(1) };

  const learnWaiting = (): void => {
    const scored = waiting.some(({ decidedAtMs }) => decidedAtMs >= scoredFromMs);
    const scorer = scored ? version.open(learner.publish().snapshotBlob) : null;
    for (const decision of waiting) {
      for (const { experience, target } of experiencesOf(decision)) {
        if (scorer !== null && decision.decidedAtMs >= scoredFromMs) {
          scorer.score(decision.request, [experience.action], out);
          predictions.push({
            predicted: out.propensities[0]!,
            outcome: target,
            actionId: experience.action.id,
            served: experience.propensity,
          });
        }
        learner.learnShown(experience, target);
      }
    }
    waiting.length = 0;
  };
  return {
    add(decisions) {
      for (const decision of decisions) {
        waiting.push(decision);
        if (waiting.length >= PUBLISHED_EVERY) learnWaiting();
      }
    },
    get predictions() {
      learnWaiting();
      return predictions;
    },
  };
};

/** The rows that the learn role would have made of the decision. */
export const experiencesOf = (decision: LoggedDecision): { readonly experience: Experience; readonly target: number }[] =>
  decision.chosen.flatMap(({ rank, index, probability }, i) => {
    const target = decision.rewards[i]?.target ?? null;
    const action = decision.candidates[index];
    if (target === null || action === undefined) return [];
    const { decisionId, request, decidedAtMs } = decision;
    return [
      { experience: { decisionId, rank, request, action, probability, propensity: decision.propensities[index]!, decidedAtMs }, target },
    ];
  });
