/** What a promotion is judged by, as the API asks for it and tells it; who judges is passed in, since it reads the warehouse and takes its time. */

export interface PromotionQuestion {
  readonly loop: string;
  readonly version: string;
  /** The challenger may be worse by this much of the reward per decision; 0 unless the caller gives a reason. */
  readonly epsilon: number;
  /** Microseconds of a decision by either, in turns on the same requests; null: the challenger has not been tried in the shadow. */
  readonly latency: PromotionLatency | null;
}

export interface PromotionLatency {
  readonly decisions: number;
  readonly challengerP99Us: number;
  readonly championP99Us: number;
}

export interface PromotionCondition {
  /** A stable name: `value`, `calibration`, `latency`, `support`. */
  readonly name: string;
  readonly holds: boolean;
  /** What was found and what is asked, for a person. */
  readonly found: string;
}

export interface PromotionReport {
  /** All conditions hold. */
  readonly promotes: boolean;
  readonly conditions: readonly PromotionCondition[];
  readonly figures: Readonly<Record<string, number>>;
}

/** Rejects where it cannot judge at all: no warehouse, no artifact. Never in the process that answers decisions. */
export type JudgePromotion = (question: PromotionQuestion) => Promise<PromotionReport>;
