/** The operators' controls, whole, with who and why. */
import v1 from './v1.avsc.json' with { type: 'json' };
import v2 from './v2.avsc.json' with { type: 'json' };
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
}

export interface StagedModel {
  /** model version, a challenger */
  readonly version: string;
  /** of the customers, by hash of customer and version; 0 to 1 */
  readonly share: number;
}

export const controlCodec = createRecordCodec<Control>({ name: 'attune.controls', versions: [v1 as never, v2 as never] });
