/** What the learn role is given. */
import type { Clock } from '#contracts';
import type { EventLog } from '#event-log';
import type { FeatureSet, FeatureStore } from '#feature-store';
import type { DriftWatch, Learner } from '#models';
import type { Logger } from '../role.ts';
import type { ProfileOf } from './experience-of.ts';
import type { HomeOfLearner } from './learner-group.ts';

export interface LearnRoleDeps {
  readonly log: EventLog;
  readonly store: Pick<FeatureStore, 'blobs' | 'leases' | 'mayLoseMs' | 'onLoss'>;
  /** Where the join of decisions and rewards and the learners' checkpoints live; a second process takes a directory beside it. */
  readonly dir: string;
  /**
   * The consumer group: no two may share one, since each learner reads everything. Default: `learn` for the first home and `learn-2` … for
   * the others, which suits a log that only one machine reads; else `groupOfStart`.
   */
  readonly groupOf?: (home: HomeOfLearner) => string;
  /** '' makes the catalog's learner, any other name one of the caller's candidates. */
  readonly createLearner: (loop: string) => Learner | Promise<Learner>;
  readonly restoreLearner: (bytes: Uint8Array) => Learner | Promise<Learner>;
  /** On a version that somebody else made: a trained trunk that challenges. Default: challengers are not learned here. */
  readonly createLearnerOf?: (versionBlob: Uint8Array) => Learner | Promise<Learner>;
  /** Absent: nobody watches for drift. */
  readonly createDriftWatch?: () => DriftWatch;
  readonly featureSet: () => FeatureSet;
  /** Names that no model sees (personalNamesOf). */
  readonly personal: () => ReadonlySet<string>;
  /** By catalog version; null when that catalog is gone, or not there yet. What is found is kept. */
  readonly profiles: (catalogVersion: string) => Promise<ProfileOf | null>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default 50: at most one snapshot a loop in this time; dear ones come more rarely, see `intervalAfter`. */
  readonly publishEveryMs?: number;
  /** Default 5,000. */
  readonly checkpointEveryMs?: number;
  /** Default an hour: how much a machine without files of its own has to learn again. */
  readonly shareEveryMs?: number;
  /** Default 4,000: publishing resumes within 4/3 of this after the holder died. */
  readonly leaseMs?: number;
  /** Default 15: rows of older decisions are forgotten. */
  readonly ttlDays?: number;
  /** Default 32: loops of the callers' own candidates. */
  readonly maxLoops?: number;
}
