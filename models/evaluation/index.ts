/** Off-policy evaluation: what another policy would have been worth, from what one policy logged. Pure: typed arrays in, numbers out. */
export { checkRounds, importanceWeights, type LoggedRounds, type PerAction } from './logged-rounds.ts';
export { influenceOf, roundsOf, valueOf, type Terms } from './terms.ts';
export { inversePropensity } from './inverse-propensity.ts';
export { selfNormalisedInversePropensity } from './self-normalised-inverse-propensity.ts';
export { directMethod } from './direct-method.ts';
export { doublyRobust } from './doubly-robust.ts';
export { selfNormalisedDoublyRobust } from './self-normalised-doubly-robust.ts';
export { chooseLambda, DEFAULT_LAMBDAS, doublyRobustShrinkage, type LambdaChoice } from './doubly-robust-shrinkage.ts';
export { linearisedDifference, pairedDoublyRobust, pairedTerms } from './paired-difference.ts';
export { asymptoticInterval, type Clusters, type Interval, type IntervalOptions } from './interval.ts';
export { bootstrapInterval, type BootstrapOptions } from './bootstrap-interval.ts';
export { empiricalBernsteinInterval, rangeOfRounds, type Range } from './empirical-bernstein.ts';
export { confidenceSequence, differenceSequence, type ConfidenceSequence } from './confidence-sequence.ts';
export { asymptoticSequence, type AsymptoticSequenceOptions } from './asymptotic-sequence.ts';
export { slotTerms, SLOT_ASSUMPTIONS, type LoggedSlots, type SlotAssumption } from './slots.ts';
export { evaluateSlots, type SlotEvaluation } from './evaluate-slots.ts';
export { supportOf, type Support } from './support.ts';
export { crossFit, type CrossFitOptions, type RewardModel } from './cross-fit.ts';
export { ridgeRewardModel, type RidgeOptions } from './ridge-reward-model.ts';
export { calibrationErrorOf, type CalibrationError } from './calibration-error.ts';
export {
  judgePromotion,
  type PromotionCondition,
  type PromotionEvidence,
  type PromotionJudgement,
  type PromotionLimits,
} from './promotion.ts';
export { constantPolicy, loggedPolicy, loggedSlots, type Policy, type SlotPolicy } from './policies.ts';
export { collectRounds, tellLeftOut, type CollectedRounds, type CollectOptions, type LeftOut } from './collect-rounds.ts';
export { customersOf, predictRewards, weighPair, type WeighedPair } from './weigh-pair.ts';
export {
  ESTIMATOR_NAMES,
  evaluatePolicy,
  type Bounds,
  type EstimatorName,
  type EvaluateOptions,
  type PolicyEvaluation,
} from './evaluate-policy.ts';
