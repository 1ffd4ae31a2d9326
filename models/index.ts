/** Models: encoder, trunk, head, calibrator, registry. A learner learns, a scorer answers; an artifact passes between them. */
export { compileEncoder, genericEncoder } from './encoder/compile-encoder.ts';
export type { EncoderSpec } from './encoder/spec.ts';
export { createDriftWatch, type DriftOptions, type DriftReport, type DriftWatch } from './drift/drift-watch.ts';
export type { FieldDrift } from './drift/input-drift.ts';
export { createLearner, createLearnerOf, restoreLearner } from './learner.ts';
export { createVersion, openScorer, openVersion } from './scorer.ts';
export type { Learner, LearnerOptions, Publication, ModelVersion } from './types.ts';
export type { LoggedChoice, LoggedDecision, LoggedDecisions, LoggedQuery, LoggedReward } from './logged/logged-decision.ts';
export { dsjsonLine, type DsjsonLabel } from './logged/vw-dsjson.ts';
export { createLoggedDecisions, type LoggedDecisionsDeps } from './logged/read-logged-decisions.ts';
export { trainTrunk, type TrainedVersion, type TrainTrunkOptions } from './training/train-trunk.ts';
export { openProgressFile } from './training/progress-file.ts';
export { memoriesFor } from './training/memories.ts';
export { renderReport } from './training/report-page.ts';
export type { TrainingReport } from './training/report.ts';
export type { HyperParameters } from './training/network.ts';
export { ownVersion, type OwnVersionOptions } from './own-version.ts';
