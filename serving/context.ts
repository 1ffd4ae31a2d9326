/** What the routes share, as one plain object. */
import type { onRequestHookHandler } from 'fastify';
import type { Clock } from '#contracts';
import type { ControlsHolder, EventLog } from '#event-log';
import type { FeatureStore, KeepControls, RebuildWatch } from '#feature-store';
import type { Scope } from './auth/api-keys.ts';
import type { Decider } from './deciding/decider.ts';
import type { Shadow } from './deciding/shadow.ts';
import type { Subjects } from './deciding/subject.ts';
import type { CatalogHolder } from './holders/catalog-holder.ts';
import type { ErasuresHolder } from './holders/erasures-holder.ts';
import type { ModelsHolder } from './holders/models-holder.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { JudgePromotion } from './promotion/judge.ts';
import type { Appender } from './receipts/append-in-time.ts';
import type { ReceiptFinder } from './receipts/find-receipt.ts';

export interface ServingContext {
  readonly log: EventLog;
  readonly store: FeatureStore;
  readonly rebuild: RebuildWatch;
  readonly clock: Clock;
  readonly catalog: CatalogHolder;
  readonly controls: ControlsHolder;
  /** For receipts, which name the version that they obeyed. */
  readonly keepControls: KeepControls;
  readonly erasures: ErasuresHolder;
  readonly models: ModelsHolder;
  readonly shadow: Shadow;
  /** Null: nobody judges promotions here. */
  readonly judge: JudgePromotion | null;
  readonly subjects: Subjects;
  readonly appender: Appender;
  readonly receipts: ReceiptFinder;
  readonly decider: Decider;
  readonly metrics: Metrics;
  readonly readDeadlineMs: number;
  readonly authorise: (scope: Scope) => onRequestHookHandler;
}
