/** Whether a challenger becomes the champion: every condition with what was found and what is asked, so that a refusal says what to do. */
import type { PairedDifference } from './paired-difference.ts';

export interface GateEvidence {
  readonly value: PairedDifference;
  /** Null where the loop's targets are no rates. */
  readonly calibration: { readonly decisions: number; readonly challenger: number; readonly champion: number } | null;
  /** Microseconds at the 99th percentile, both on the same requests. */
  readonly latency: {
    readonly decisions: number;
    readonly challengerP99Us: number;
    readonly championP99Us: number;
    readonly where: string;
  };
}

export interface GateLimits {
  /** It may earn less by this much reward per decision; needs a reason. */
  readonly epsilon: number;
  readonly calibrationError: number;
  readonly unsupported: number;
  readonly leastDecisions: number;
  readonly leastEffectiveN: number;
  /** It may take this many times the champion's time, and `latencySlackUs` more. */
  readonly latencyRatio: number;
  readonly latencySlackUs: number;
}

export const DEFAULT_LIMITS: GateLimits = {
  epsilon: 0,
  calibrationError: 0.05,
  unsupported: 0.05,
  leastDecisions: 200,
  leastEffectiveN: 100,
  latencyRatio: 1.25,
  latencySlackUs: 200,
};

export interface GateCondition {
  readonly name: 'data' | 'value' | 'support' | 'calibration' | 'latency';
  readonly holds: boolean;
  readonly found: string;
}

export const promotionGate = ({ value, calibration, latency }: GateEvidence, limits: GateLimits): readonly GateCondition[] => {
  const { epsilon, leastDecisions, leastEffectiveN, latencyRatio, latencySlackUs } = limits;
  const allowed = latencyRatio * latency.championP99Us + latencySlackUs;
  const conditions: GateCondition[] = [
    {
      name: 'data',
      holds: value.decisions >= leastDecisions && value.effectiveN >= leastEffectiveN,
      found: `${value.decisions} held-out matured decisions of ${value.customers} customers, worth ${Math.floor(value.effectiveN)} of the challenger's own; at least ${leastDecisions} and ${leastEffectiveN} are asked`,
    },
    {
      name: 'value',
      holds: value.low > -epsilon,
      found: `${signed(value.difference)} reward per decision, above ${signed(value.low)} with 95 %; more than ${epsilon === 0 ? '0' : `−${epsilon}`} is asked`,
    },
    {
      name: 'support',
      holds: value.unsupported <= limits.unsupported,
      found: `${percent(value.unsupported)} of its choices the log could never have shown; at most ${percent(limits.unsupported)} are allowed`,
    },
  ];
  if (calibration !== null) {
    const limit = Math.max(limits.calibrationError, calibration.champion);
    conditions.push({
      name: 'calibration',
      holds: calibration.challenger <= limit,
      found: `its rates are off by ${percent(calibration.challenger)} (the champion's by ${percent(calibration.champion)}) over ${calibration.decisions} decisions; at most ${percent(limit)} is allowed`,
    });
  }
  conditions.push({
    name: 'latency',
    holds: latency.decisions > 0 && latency.challengerP99Us <= allowed,
    found: `p99 ${micros(latency.challengerP99Us)} against the champion's ${micros(latency.championP99Us)} over ${latency.decisions} decisions (${latency.where}); at most ${micros(allowed)} is allowed`,
  });
  return conditions;
};

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toPrecision(3)}`;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const micros = (us: number): string => `${us.toFixed(0)} µs`;
