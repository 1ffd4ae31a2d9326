/** What a training has to say for itself: figures, kept with the version; `report-page.ts` makes a page of them. */
import { areaUnderCurve, calibrationBins, calibrationError, cumulativeGains, logLoss, squaredError, stabilityIndex } from './metrics.ts';
import type { CalibrationBin, Prediction } from './metrics.ts';
import type { MemoryChoice } from '../drift/memory-trials.ts';
import type { Memory } from '../version-blob.ts';
import { tellMemory } from './memories.ts';
import type { HyperParameters } from './network.ts';
import type { EpochLosses, TrainedNetwork, Trial } from './train-network.ts';
import type { Rebuilt, TrainTrunkOptions } from './train-trunk.ts';
import { effectiveRows, type TrainingSet } from './training-set.ts';

/** Of one set of predictions on the held-out rows. */
export interface Scores {
  readonly name: string;
  readonly meaning: string;
  readonly rows: number;
  readonly loss: number;
  readonly auc: number;
  readonly calibrationError: number;
  readonly meanPredicted: number;
  readonly meanOutcome: number;
}

export interface ActionFigures {
  readonly actionId: string;
  readonly rows: number;
  readonly positives: number;
  /** After importance weights 1/p, clipped: as many equally weighted rows would say as much (Kish). */
  readonly effectiveRows: number;
  readonly rate: number;
  /** On the held-out rows, of the new head; NaN (null in JSON) with fewer than two kinds of outcome. */
  readonly auc: number | null;
}

export interface TrainingReport {
  readonly loop: string;
  readonly loss: 'logistic' | 'squared';
  readonly objective: TrainTrunkOptions['objective'];
  readonly clip: number;
  readonly seed: number;
  readonly backend: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly heldOutFromMs: number;
  readonly posteriorUntilMs: number;
  readonly rows: { readonly fitted: number; readonly validated: number; readonly heldOut: number; readonly notAsServed: number };
  readonly keptNegatives: number;
  readonly trunk: string;
  readonly candidates: readonly (HyperParameters & Trial & { readonly chosen: boolean })[];
  /** Half-lives: which one the version has, and how each did on the rows that were not held out. */
  readonly memory: {
    readonly chosen: string;
    /** Judged; 0: there was no choice. */
    readonly rows: number;
    readonly trials: readonly {
      readonly halfLife: string;
      readonly loss: number;
      readonly excess: number;
      readonly excessError: number;
      readonly chosen: boolean;
    }[];
  };
  readonly epochs: readonly EpochLosses[];
  readonly bestEpoch: number;
  readonly scores: readonly Scores[];
  readonly calibration: { readonly network: readonly CalibrationBin[]; readonly head: readonly CalibrationBin[] };
  readonly gains: readonly { readonly name: string; readonly curve: ReturnType<typeof cumulativeGains> }[];
  readonly actions: readonly ActionFigures[];
  /** Inputs by how far they moved between the fitted and the held-out rows; the furthest first. */
  readonly drift: readonly { readonly input: string; readonly stabilityIndex: number }[];
}

interface Parts {
  readonly set: TrainingSet;
  readonly trained: TrainedNetwork;
  readonly built: Rebuilt;
  readonly choice: MemoryChoice<Memory>;
  readonly options: TrainTrunkOptions;
  readonly loss: 'logistic' | 'squared';
}

const DRIFT_SHOWN = 20;
const DRIFT_ROWS = 20_000;

export const summarise = ({ set, trained, built, choice, options, loss }: Parts): TrainingReport => {
  const { split } = trained;
  const network = [...split.heldOut].map((row, i) => ({ predicted: trained.heldOutPredictions[i]!, outcome: set.outcome[row]! }));
  const served = built.predictions.map((row) => ({ predicted: row.served, outcome: row.outcome }));
  const scoresOf = (name: string, meaning: string, rows: readonly Prediction[]): Scores => ({
    name,
    meaning,
    rows: rows.length,
    loss: loss === 'logistic' ? logLoss(rows) : squaredError(rows),
    auc: areaUnderCurve(rows),
    calibrationError: calibrationError(rows),
    meanPredicted: mean(rows, (row) => row.predicted),
    meanOutcome: mean(rows, (row) => row.outcome),
  });
  return {
    loop: options.loop,
    loss,
    objective: options.objective,
    clip: options.clip,
    seed: options.seed,
    backend: trained.backend,
    fromMs: options.fromMs,
    toMs: options.toMs,
    heldOutFromMs: set.decidedAtMs[split.heldOut[0]!]!,
    posteriorUntilMs: options.toMs,
    rows: {
      fitted: split.fitted.length,
      validated: split.validated.length,
      heldOut: split.heldOut.length,
      notAsServed: set.notAsServed,
    },
    keptNegatives: trained.keptNegatives,
    trunk: [trained.trunk.inputs, ...trained.trunk.layers.map(({ outputs }) => outputs)].join(' → '),
    candidates: trained.trials.map((trial) => {
      const parameters = options.candidates[trial.candidate]!;
      return { ...parameters, ...trial, chosen: parameters === trained.chosen };
    }),
    memory: {
      chosen: tellMemory(choice.memory),
      rows: choice.rows,
      trials: choice.trials.map(({ memory, ...trial }) => ({ ...trial, halfLife: tellMemory(memory), chosen: memory === choice.memory })),
    },
    epochs: trained.epochs,
    bestEpoch: trained.bestEpoch,
    scores: [
      scoresOf('new trunk', 'the head on the new trunk, each row predicted before it was learned: what would serve', built.predictions),
      scoresOf('model zero', 'the head on random Fourier features with its own half-life, likewise on the same rows', built.modelZero),
      scoresOf('as served', 'the propensities of whatever served then', served),
      scoresOf('network', 'the network’s own output, which learned nothing of these rows', network),
    ],
    calibration: { network: calibrationBins(network), head: calibrationBins(built.predictions) },
    gains: [
      { name: 'new trunk', curve: cumulativeGains(built.predictions) },
      { name: 'model zero', curve: cumulativeGains(built.modelZero) },
    ],
    actions: actionFigures(set, built, options.clip),
    drift: drift(set, trained),
  };
};

const mean = (rows: readonly Prediction[], of: (row: Prediction) => number): number =>
  rows.reduce((sum, row) => sum + of(row), 0) / rows.length;

const actionFigures = (
  { outcome, action, actions, probability, rows }: TrainingSet,
  { predictions }: Rebuilt,
  clip: number,
): ActionFigures[] => {
  const weights = Float64Array.from(probability, (p) => Math.min(1 / Math.max(p, 1e-9), clip));
  const byId = new Map<string, number[]>();
  for (let row = 0; row < rows; row++) {
    if (Number.isNaN(outcome[row]!)) continue;
    const { id } = actions[action[row]!]!;
    const list = byId.get(id);
    if (list === undefined) byId.set(id, [row]);
    else list.push(row);
  }
  const scored = Map.groupBy(predictions, ({ actionId }) => actionId);
  return [...byId]
    .map(([actionId, of]) => {
      const auc = areaUnderCurve(scored.get(actionId) ?? []);
      return {
        actionId,
        rows: of.length,
        positives: of.filter((row) => outcome[row]! > 0).length,
        effectiveRows: effectiveRows(weights, of),
        rate: of.reduce((sum, row) => sum + outcome[row]!, 0) / of.length,
        auc: Number.isNaN(auc) ? null : auc,
      };
    })
    .toSorted((a, b) => b.rows - a.rows);
};

const drift = ({ x, xDims, xNames }: TrainingSet, { split }: TrainedNetwork): TrainingReport['drift'] => {
  const columnOf = (rows: Int32Array, j: number): Float32Array => {
    const step = Math.max(1, Math.floor(rows.length / DRIFT_ROWS));
    return Float32Array.from({ length: Math.ceil(rows.length / step) }, (_, i) => x[rows[i * step]! * xDims + j]!);
  };
  return xNames
    .map((input, j) => ({ input, stabilityIndex: stabilityIndex(columnOf(split.fitted, j), columnOf(split.heldOut, j)) }))
    .toSorted((a, b) => b.stabilityIndex - a.stabilityIndex)
    .slice(0, DRIFT_SHOWN);
};
