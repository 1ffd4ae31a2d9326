/** The API: decisions, outcomes, events, customers, receipts, controls, models. */
export { createServing } from './serving.ts';
export type { Serving, ServingConfig, ServingDeps, Siblings } from './serving.ts';
export { followModels } from './holders/models-holder.ts';
export type { ModelsHolder } from './holders/models-holder.ts';
export { SCOPES, findApiKey, parseApiKeys, refusalToOpen } from './auth/api-keys.ts';
export type { ApiKey, Scope } from './auth/api-keys.ts';
export type { ReceiptArchive } from './receipts/find-receipt.ts';
export type { JudgePromotion, PromotionCondition, PromotionLatency, PromotionQuestion, PromotionReport } from './promotion/judge.ts';
