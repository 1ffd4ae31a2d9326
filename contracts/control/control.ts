/** The operators' controls, whole, with who and why. */
import v1 from './v1.avsc.json' with { type: 'json' };
import v2 from './v2.avsc.json' with { type: 'json' };
import v3 from './v3.avsc.json' with { type: 'json' };
import v4 from './v4.avsc.json' with { type: 'json' };
import { createRecordCodec } from '../avro.ts';

/** The operators' controls, whole, with who and why. */
export interface Control {
  /** grows by one */
  readonly version: number;
  /** who */
  readonly actor: string;
  /** why */
  readonly reason: string;
  /** ms since 1970 UTC */
  readonly at: number;
  /** no outbound message leaves */
  readonly stopOutbound: boolean;
  /** action ids */
  readonly pausedActions: readonly string[];
  /** channels */
  readonly pausedChannels: readonly string[];
  /** the best by priority is chosen */
  readonly explorationOff: boolean;
  /** model version that serves whatever is promoted */
  readonly pinnedModel: string | null;
  /** challengers that serve a share of the customers */
  readonly staged: readonly StagedModel[];
  /** why each of the paused is paused */
  readonly notices: readonly Notice[];
  /** channels that do not deliver at this moment */
  readonly downChannels: readonly string[];
  /** shares that are not contacted, so that what contacting does can be measured */
  readonly holdouts: readonly Holdout[];
  /** the last order that a person gave about each segment */
  readonly segmentOrders: readonly SegmentOrder[];
}

export interface StagedModel {
  /** model version, a challenger */
  readonly version: string;
  /** of the customers, by hash of customer and version; 0 to 1 */
  readonly share: number;
}

export interface Notice {
  readonly kind: 'action' | 'channel';
  /** of what is paused */
  readonly name: string;
  /** who; `attune` where no person did it */
  readonly by: string;
  /** why, as a sentence */
  readonly reason: string;
  /** ms since 1970 UTC */
  readonly at: number;
}

export interface Holdout {
  /** of the outbound action */
  readonly actionId: string;
  /** of those that it was chosen for, who are not contacted; 0 to 1 */
  readonly share: number;
  /** contacted customers whose windows have not matured, at most; null: no such limit */
  readonly ramp: number | null;
  /** of the rate of inbound contact by contacting, as far as it is known; 0: nothing is */
  readonly rise: number;
}

export interface SegmentOrder {
  /** of segments.yaml */
  readonly segmentId: string;
  /** `stop` ends a run and holds the schedule until there is another order; `resume` begins nothing at once */
  readonly order: 'run' | 'stop' | 'resume';
  /** who */
  readonly by: string;
  /** why, as a sentence */
  readonly reason: string;
  /** ms since 1970 UTC; names the run */
  readonly at: number;
}

/** The actor of what Attune does by itself; no person's. */
export const MACHINE_ACTOR = 'attune';

/** In force before anybody changed anything. */
export const NO_CONTROLS: Control = Object.freeze({
  version: 0,
  actor: '',
  reason: '',
  at: 0,
  stopOutbound: false,
  pausedActions: [],
  pausedChannels: [],
  explorationOff: false,
  pinnedModel: null,
  staged: [],
  notices: [],
  downChannels: [],
  holdouts: [],
  segmentOrders: [],
});

export const controlCodec = createRecordCodec<Control>({
  name: 'attune.controls',
  versions: [v1 as never, v2 as never, v3 as never, v4 as never],
});
