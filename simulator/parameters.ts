/** The shape of world.json, the frozen parameters of the simulated world. */
import frozen from './world.json' with { type: 'json' };

/** What a customer may want; one number each, by the names in `needs`. */
export type Needs = readonly number[];

export interface Parameters {
  readonly needs: readonly string[];
  readonly response: {
    /** No customer ever accepts with less, or more, than these. */
    readonly lowest: number;
    readonly highest: number;
    readonly bias: number;
    readonly needScale: number;
    /** How far an action's direction strays from its topic's. */
    readonly actionNoise: number;
    readonly actionBiasSd: number;
    /** Of the part of the needs that no attribute shows; page views hint at it. */
    readonly hiddenSd: number;
    readonly preferredChannel: number;
    readonly outbound: number;
    readonly fatiguePerShowing: number;
    readonly fatigueHalfLifeDays: number;
    readonly driftAmplitude: number;
    readonly driftPeriodDays: number;
  };
  readonly behaviour: {
    readonly seenByRank: readonly number[];
    readonly clicked: number;
    readonly rejected: number;
    readonly later: number;
    readonly complaintPerFatigue: number;
    readonly impressionMs: readonly number[];
    readonly soonShare: number;
    readonly soonMedianMs: number;
    readonly lateMedianMs: number;
    /** Of the log-normal delays. */
    readonly delaySpread: number;
    readonly longestMs: number;
  };
  /** A word in an action's id → the need that it answers. */
  readonly topics: Readonly<Record<string, string>>;
  readonly attributes: Readonly<Record<string, Readonly<Record<string, Needs>>>>;
  readonly context: Readonly<Record<string, Readonly<Record<string, Needs>>>>;
}

export const FROZEN: Parameters = frozen;
