/** The pure core of deciding: catalog, eligibility, contact policy, arbitration. No I/O, no clock, no randomness of its own. */
export { compileCatalog } from './catalog/compile-catalog.ts';
export type { Catalog, CatalogAction, Channel, Placement, Rule, Treatment, Weight } from './catalog/types.ts';
export { DEGRADED } from './types.ts';
export type { DecideInput, Verdict } from './types.ts';
export { DEFAULT_SHARES, groupOf } from './groups.ts';
export type { Group, GroupShares } from './groups.ts';
export { STAGE, stageName } from './stages.ts';
export type { StageCode, StageName } from './stages.ts';
export { decide } from './decide/decide.ts';
export { contentOf } from './content.ts';
export { redecide, verifyReceipt } from './receipts/redecide.ts';
export type { RedecideInput } from './receipts/redecide.ts';
export { explain } from './receipts/explain.ts';
export type { CandidateExplanation, Explanation } from './receipts/explain.ts';
export { slotUnder } from './decide/slot-under.ts';
export type { LoggedMoment, OtherScores } from './decide/slot-under.ts';
