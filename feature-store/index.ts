/** The feature store: its port and LMDB adapter, feature definitions, the customer's state and what a decision sees of it. */
export * from './port.ts';
export * from './documents.ts';
export * from './reservations.ts';
export { openLmdbFeatureStore, type LmdbFeatureStoreOptions } from './lmdb/open-lmdb-feature-store.ts';
export { openLateFeatureStore, type LateFeatureStoreOptions } from './late-feature-store.ts';
export { openRedisFeatureStore, REDIS_MAY_LOSE_MS, type RedisFeatureStoreOptions } from './redis/open-redis-feature-store.ts';
export { checkRedis, type RedisFinding } from './redis/check-redis.ts';
export { removeWiped, wipeFreePages } from './lmdb/wipe.ts';
export * from './companion.ts';
export { applyStep, documentOf, outboxOf, providerKindOf, providerNameOf } from './message-documents.ts';
export { createControlsKeeper, findControls, type KeepControls } from './controls-by-version.ts';
export { isRebuilding, markRebuild, unmarkRebuild, watchRebuild, type RebuildWatch } from './rebuild-mark.ts';
export type { AttributeDefinition, AttributeSetter, FeatureDefinition, FeatureDefinitions } from './definitions/definitions.ts';
export { parseDefinitions } from './definitions/parse-definitions.ts';
export {
  compileDefinitions,
  compileFeatures,
  featureSetByFingerprint,
  loadFeatureSet,
  nameOfFeatureSet,
  publishFeatureSet,
  type FeatureSet,
} from './definitions/feature-set.ts';
export {
  addContact,
  takeBackContact,
  addPending,
  countPair,
  CustomerState,
  emptyState,
  findPending,
  removePending,
  MAX_PAIRS,
  MAX_PENDING,
  type PairChange,
  type PendingDecision,
  type PendingItem,
  type TimedValue,
} from './state/customer-state.ts';
export {
  addRecent,
  closeMessage,
  closeTrials,
  countInbound,
  forgetMessages,
  forgetRecent,
  hadTurn,
  isLetOut,
  letOut,
  nextOfOutreach,
  openTrial,
  plan,
  takeDue,
  takeTurn,
  unplan,
  unplanChain,
  updateRecent,
  MAX_MESSAGES,
  MAX_SEGMENTS,
  type OpenMessage,
  type Outreach,
  type Planned,
  type RecentMessage,
  type Trial,
} from './state/outreach.ts';
export { decodeState, encodeState, fingerprintOf, timerOf } from './state/codec.ts';
export { positionPrefixOf, positionsOf } from './state/position.ts';
export { evaluateFeatures } from './state/evaluate-features.ts';
export { foldEvent } from './state/fold-event.ts';
export {
  hasSeen,
  identityHash,
  identityHashOfEvent,
  rememberId,
  rememberNew,
  MAX_IDS,
  ID_TTL_MS,
  oldestUnitAt,
} from './state/identity-ring.ts';
export { isCounted, moveMark, sourceMarkOf, MAX_MARKS, type SourceMark } from './state/source-marks.ts';
export { viewOfReceipt, viewOfState, type CustomerStateView } from './state/view.ts';
export { withoutPersonal } from './state/without-personal.ts';
export { describeOutreach, describeState, type OutreachDescription, type StateDescription } from './state/describe-state.ts';
export { bytesOfCustomer } from './state/size.ts';
