/** Watches one learning loop for change: its inputs, its rewards against what was predicted, and how long a memory would suit it. */
import type { ScoringRequest } from '#contracts';
import { InputDrift, type FieldDrift, type InputDriftOptions } from './input-drift.ts';
import { MemoryRace } from './memory-race.ts';
import { ShiftDetector, type ShiftOptions } from './shift-detector.ts';

export interface DriftWatch {
  /** Of a row that is learned; every `every`-th is looked at. Returns fields that drifted, at the end of a window. */
  input(request: ScoringRequest): readonly FieldDrift[];
  /** Of a slot whose window has closed. True: rewards are no longer what was predicted. */
  outcome(actionId: string, expected: number, actual: number): boolean;
  /** For people and gauges; fields by their PSI, the largest first. */
  readonly report: DriftReport;
}

export interface DriftReport {
  readonly fields: readonly FieldDrift[];
  readonly inputAlarms: number;
  readonly rewardAlarms: number;
  /** 1 is an alarm. */
  readonly rewardEvidence: number;
  /** Mean of recent outcomes less their predictions. */
  readonly rewardShift: number;
  readonly outcomes: number;
  /** In outcomes; Infinity: what was learned first is as true as what was learned last; null: not known yet. */
  readonly bestHalfLife: number | null;
}

export interface DriftOptions {
  /** Default 4: looking at a row costs about 5 µs. */
  readonly every?: number;
  readonly inputs?: Partial<InputDriftOptions>;
  readonly rewards?: Partial<ShiftOptions>;
}

export const createDriftWatch = ({ every = 4, inputs, rewards }: DriftOptions = {}): DriftWatch => {
  const input = new InputDrift(inputs);
  const shift = new ShiftDetector(rewards);
  const race = new MemoryRace();
  let rows = 0;
  let areRates = true;
  return {
    input: (request) => (rows++ % every === 0 ? input.observe(request) : []),
    outcome(actionId, expected, actual) {
      if (actual < 0 || actual > 1) areRates = false;
      race.observe(actionId, actual);
      return shift.observe(expected, actual, areRates);
    },
    get report() {
      return {
        fields: input.latest,
        inputAlarms: input.alarms,
        rewardAlarms: shift.alarms,
        rewardEvidence: shift.evidence,
        rewardShift: shift.shift,
        outcomes: race.outcomes,
        bestHalfLife: race.best,
      };
    },
  };
};
