/** Announces a version or a snapshot of a model; the artifact is a blob. */
import v1 from './v1.avsc.json' with { type: 'json' };
import v2 from './v2.avsc.json' with { type: 'json' };
import v3 from './v3.avsc.json' with { type: 'json' };
import { createRecordCodec } from '../avro.ts';

/** Announces a version or a snapshot of a model; the artifact is a blob. */
export interface ModelRecord {
  /** empty for the catalog's loop */
  readonly loop: string;
  /** of the model: hash of encoder, trunk and head's shape */
  readonly version: string;
  /** grows with each posterior published; a learner that takes over leaves a gap; 0 for the version itself */
  readonly snapshot: number;
  /** what it does now */
  readonly role: 'champion' | 'challenger' | 'previous' | 'retired';
  /** hash of the artifact */
  readonly blob: string;
  /** ms since 1970 UTC */
  readonly at: number;
  /** learned so far */
  readonly experiences: number;
  /** the newest reward's append time that the snapshot has seen, ms since 1970 UTC */
  readonly watermark: number;
  /** an hourly snapshot, kept for re-scoring */
  readonly kept: boolean;
  /** actor and reason of a promotion, else empty */
  readonly note: string;
  /** hash of the learners' newest shared checkpoint, from which one without files of its own goes on; null when there is none */
  readonly checkpoint: string | null;
  /** when that was taken, ms since 1970 UTC; the greatest is the newest; 0 when there is none */
  readonly checkpointAt: number;
  /** hash of the learner's checkpoint that a trained version starts from; the learners restore it and go on; null when there is none */
  readonly posterior: string | null;
  /** that checkpoint holds all decisions made before, with their final rewards, and none made since; ms since 1970 UTC */
  readonly posteriorUntil: number;
  /** when the role was given, ms since 1970 UTC: of two words on a version the one about the newer appointment counts; 0 before it was recorded */
  readonly roleAt: number;
}

export const modelCodec = createRecordCodec<ModelRecord>({ name: 'attune.models', versions: [v1 as never, v2 as never, v3 as never] });
