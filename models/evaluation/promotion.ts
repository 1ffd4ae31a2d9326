/**
 * The gate: whether a challenger becomes champion, by what held-out matured decisions say of it. Pure; every condition is told with its numbers in a
 * sentence, whether it holds or not.
 */
import type { CalibrationError } from './calibration-error.ts';
import type { Interval } from './interval.ts';
import type { Support } from './support.ts';

/** What the gate is shown. None of these decisions may have taught the challenger. */
export interface PromotionEvidence {
  /** Of the paired difference of value per decision, challenger less champion (paired-difference.ts). */
  readonly difference: Pick<Interval, 'value' | 'low' | 'high' | 'level'>;
  /** Value per decision of the champion, by the same estimator. */
  readonly champion: number;
  /** Of the challenger on the log. */
  readonly support: Support;
  /** Of the share of the challenger's probability outside support, what the champion has there too. */
  readonly championOutside: number;
  /** Both on the same shown actions; null: nothing was shown that has a target, or targets are no rates. */
  readonly calibration: { readonly challenger: CalibrationError; readonly champion: CalibrationError } | null;
  /** Of the same requests by both, in turns; null: the challenger has not been tried in the shadow. */
  readonly latency: { readonly decisions: number; readonly challengerP99Us: number; readonly championP99Us: number } | null;
}

export interface PromotionLimits {
  /** The challenger may be worse by so much reward per decision. Default 0. */
  readonly epsilon?: number;
  /** Why `epsilon` is not 0; told in the report. */
  readonly reason?: string;
  /** Fewer independent decisions than this prove nothing, whatever the interval says. Default 500. */
  readonly leastDecisions?: number;
  /** Default 100. */
  readonly leastEffectiveN?: number;
  /** No single decision may carry more of the weight: normal theory needs many small ones. Default 0.05. */
  readonly largestShare?: number;
  /** Of the challenger's choices, beyond the champion's own share. Default 0.05. */
  readonly outside?: number;
  /** Calibration error beyond chance, and beyond the champion's where that is larger. Default 0.02. */
  readonly calibrationError?: number;
  /** The challenger's p99 may be so many times the champion's: what a measurement of the same model twice differs by. Default 1.1. */
  readonly latencyRatio?: number;
  /** Differences below this many microseconds are those of the clock and of the machine's other work. Default 50. */
  readonly latencySlackUs?: number;
  /** Latency that nobody has measured counts as no worse: for a judgement without the API. Default false. */
  readonly latencyUnknownHolds?: boolean;
}

export interface PromotionCondition {
  readonly name: 'value' | 'support' | 'calibration' | 'latency';
  readonly holds: boolean;
  readonly found: string;
}

export interface PromotionJudgement {
  readonly promotes: boolean;
  readonly conditions: readonly PromotionCondition[];
  readonly figures: Readonly<Record<string, number>>;
}

export const judgePromotion = (evidence: PromotionEvidence, limits: PromotionLimits = {}): PromotionJudgement => {
  const conditions = [
    judgeValue(evidence, limits),
    judgeSupport(evidence, limits),
    judgeCalibration(evidence, limits),
    judgeLatency(evidence, limits),
  ];
  return { promotes: conditions.every(({ holds }) => holds), conditions, figures: figuresOf(evidence) };
};

const judgeValue = ({ difference, champion }: PromotionEvidence, { epsilon = 0, reason = '' }: PromotionLimits): PromotionCondition => {
  const { value, low, high, level } = difference;
  const holds = low > -epsilon;
  const relative = champion === 0 ? '' : ` (${signed((100 * value) / Math.abs(champion), 1)} % of the champion's ${short(champion)})`;
  const asked = epsilon === 0 ? 'above 0' : `above −${short(epsilon)}${reason === '' ? '' : ` (${reason})`}`;
  return {
    name: 'value',
    holds,
    found:
      `the challenger is worth ${signed(value)} a decision more than the champion${relative}, ${Math.round(100 * level)} % interval ` +
      `${signed(low)} to ${signed(high)}; its lower bound is ${holds ? '' : 'not '}${asked}`,
  };
};

const judgeSupport = ({ support, championOutside }: PromotionEvidence, limits: PromotionLimits): PromotionCondition => {
  const { leastDecisions = 500, leastEffectiveN = 100, largestShare = 0.05, outside = 0.05 } = limits;
  const beyond = Math.max(0, support.outside - championOutside);
  const faults = [
    support.rounds < leastDecisions ? `fewer than ${leastDecisions} decisions` : '',
    support.effectiveN < leastEffectiveN ? `an effective sample below ${leastEffectiveN}` : '',
    support.largestShare > largestShare ? `one decision with more than ${percent(largestShare)} of the weight` : '',
    beyond > outside ? `more than ${percent(outside)} of the challenger's choices beyond the champion's are outside support` : '',
  ].filter((fault) => fault !== '');
  return {
    name: 'support',
    holds: faults.length === 0,
    found:
      `${support.rounds.toLocaleString('en')} decisions, worth ${Math.round(support.effectiveN).toLocaleString('en')} of the challenger's own; the largest weight is ` +
      `${short(support.largestWeight)} (${percent(support.largestShare)} of all); ${percent(support.outside)} of the challenger's choices are ` +
      `outside support, ${percent(championOutside)} of the champion's${faults.length === 0 ? '' : `: ${faults.join(', ')}`}`,
  };
};

const judgeCalibration = ({ calibration }: PromotionEvidence, { calibrationError = 0.02 }: PromotionLimits): PromotionCondition => {
  if (calibration === null) return { name: 'calibration', holds: true, found: 'not asked for: no targets that are rates' };
  const beyond = (one: CalibrationError): number => Math.max(0, one.error - one.chance);
  const { challenger, champion } = calibration;
  const limit = Math.max(calibrationError, beyond(champion));
  const holds = beyond(challenger) <= limit;
  return {
    name: 'calibration',
    holds,
    found:
      `the challenger's calibration error is ${short(challenger.error)}, ${short(beyond(challenger))} beyond chance, the champion's ` +
      `${short(beyond(champion))}, on ${challenger.rows.toLocaleString('en')} shown actions; ${holds ? 'within' : 'over'} ${short(limit)}`,
  };
};

const judgeLatency = ({ latency }: PromotionEvidence, limits: PromotionLimits): PromotionCondition => {
  const { latencyRatio = 1.1, latencySlackUs = 50, latencyUnknownHolds = false } = limits;
  if (latency === null)
    return {
      name: 'latency',
      holds: latencyUnknownHolds,
      found: 'the challenger has not been tried in the shadow, so nobody knows how long it takes',
    };
  const limit = Math.max(latency.championP99Us * latencyRatio, latency.championP99Us + latencySlackUs);
  const holds = latency.challengerP99Us <= limit;
  return {
    name: 'latency',
    holds,
    found:
      `99 % of ${latency.decisions.toLocaleString('en')} decisions take the challenger at most ${Math.round(latency.challengerP99Us)} µs, the champion ` +
      `${Math.round(latency.championP99Us)} µs; ${holds ? 'within' : 'over'} ${Math.round(limit)} µs`,
  };
};

const figuresOf = ({
  difference,
  champion,
  support,
  championOutside,
  calibration,
  latency,
}: PromotionEvidence): Record<string, number> => ({
  difference: difference.value,
  low: difference.low,
  high: difference.high,
  level: difference.level,
  championValue: champion,
  decisions: support.rounds,
  effectiveN: support.effectiveN,
  largestWeight: support.largestWeight,
  largestShare: support.largestShare,
  outside: support.outside,
  championOutside,
  ...(calibration === null
    ? {}
    : {
        calibrationError: calibration.challenger.error,
        calibrationChance: calibration.challenger.chance,
        championCalibrationError: calibration.champion.error,
        shown: calibration.challenger.rows,
      }),
  ...(latency === null ? {} : { challengerP99Us: latency.challengerP99Us, championP99Us: latency.championP99Us }),
});

const short = (x: number): string => (Number.isFinite(x) ? String(Number(x.toPrecision(3))) : String(x));
const signed = (x: number, digits?: number): string =>
  `${x < 0 ? '−' : '+'}${digits === undefined ? short(Math.abs(x)) : Math.abs(x).toFixed(digits)}`;
const percent = (x: number): string => `${short(100 * x)} %`;
