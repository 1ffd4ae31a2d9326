/** From a training set to a network: split in time, hyper-parameters by progressive validation, early stopping; goes on where it was killed. */
import type { BackendName } from '../trunk/tensorflow.ts';
import type { Trunk } from '../trunk/trunk.ts';
import { createNetwork, type HyperParameters, type Network, type NetworkState, type Standardisation } from './network.ts';
import { randomOf } from '../random.ts';
import { toTrunk } from './to-trunk.ts';
import type { TrainingSet } from './training-set.ts';

export interface TrainingOptions {
  readonly candidates: readonly HyperParameters[];
  readonly outputs: number;
  readonly loss: 'logistic' | 'squared';
  readonly seed: number;
  readonly maxEpochs: number;
  /** Epochs without a better validation loss before it ends. */
  readonly patience: number;
  /** Zeros that are fitted for each positive, at most; the rest is made up for by prior correction. Infinity: all. */
  readonly negativesPerPositive: number;
  readonly backend?: BackendName;
}

/** Rows of the set by time: fitted, validated for early stopping, held out of everything. */
export interface Split {
  readonly fitted: Int32Array;
  readonly validated: Int32Array;
  readonly heldOut: Int32Array;
}

export interface Trial {
  readonly candidate: number;
  /** Mean progressive loss over the blocks that it has scored. */
  readonly loss: number;
  readonly blocks: number;
}

export interface EpochLosses {
  readonly fitted: number;
  readonly validated: number;
}

/** What a run knows at the end of an epoch or of a block; plain data and arrays, for a file. */
export interface Progress {
  readonly phase: 'search' | 'final';
  readonly trials: readonly (Trial & { readonly dropped: boolean })[];
  readonly block: number;
  readonly epochs: readonly EpochLosses[];
  readonly best: { readonly epoch: number; readonly loss: number } | null;
  /** By `candidate` in the search; `now` and `best` in the final fit. */
  readonly states: Readonly<Record<string, NetworkState>>;
}

export interface TrainingHooks {
  /** Of a run of the same set and options that did not come to its end. */
  readonly resumed: Progress | null;
  readonly save: (progress: Progress) => Promise<void>;
  /** @param done share of the work, 0 to 1 (early stopping may end it before) */
  readonly onProgress: (done: number, what: string) => void;
}

export interface TrainedNetwork {
  readonly trunk: Trunk;
  readonly chosen: HyperParameters;
  readonly trials: readonly Trial[];
  readonly epochs: readonly EpochLosses[];
  readonly bestEpoch: number;
  readonly split: Split;
  /** Of `split.heldOut`, in that order: the network's own prediction. */
  readonly heldOutPredictions: Float32Array;
  readonly keptNegatives: number;
  readonly backend: string;
}

/** Blocks of the progressive validation: each is scored before it is learned (Blum, Kalai & Langford 1999). */
const BLOCKS = 4;
const EPOCHS_OF_BLOCK = 2;
const HELD_OUT = 0.2;
const VALIDATED = 0.15;

export const trainNetwork = async (set: TrainingSet, options: TrainingOptions, hooks: TrainingHooks): Promise<TrainedNetwork> => {
  const split = splitInTime(set);
  const sample = sampleNegatives(set, split.fitted, options);
  const scale = standardise(set, split.fitted);
  const networkOf = (candidate: number): Promise<Network> =>
    createNetwork(set, scale, {
      ...options.candidates[candidate]!,
      outputs: options.outputs,
      loss: options.loss,
      seed: options.seed,
      ...(options.backend === undefined ? {} : { backend: options.backend }),
    });
  const work = { set, options, hooks, split, sample, networkOf };
  const searched = hooks.resumed?.phase === 'final' ? hooks.resumed : await search(work);
  const winner = bestOf(searched.trials);
  const network = await networkOf(winner.candidate);
  try {
    const progress = await fit(work, network, searched);
    const trained = {
      trunk: toTrunk(network.layers(), scale, set, sample.rows),
      heldOutPredictions: network.predict(split.heldOut),
    };
    return {
      ...trained,
      chosen: options.candidates[winner.candidate]!,
      trials: progress.trials.map(({ candidate, loss, blocks }) => ({ candidate, loss, blocks })),
      epochs: progress.epochs,
      bestEpoch: progress.best!.epoch,
      split,
      keptNegatives: sample.kept,
      backend: network.backend,
    };
  } finally {
    network.dispose();
  }
};

interface Work {
  readonly set: TrainingSet;
  readonly options: TrainingOptions;
  readonly hooks: TrainingHooks;
  readonly split: Split;
  readonly sample: { readonly rows: Int32Array; readonly kept: number };
  readonly networkOf: (candidate: number) => Promise<Network>;
}

/** Successive halving (Jamieson & Talwalkar 2016) over blocks of time: after each scored block the worse half is dropped. */
const search = async ({ set, options, hooks, split, sample, networkOf }: Work): Promise<Progress> => {
  const { candidates } = options;
  const start: Progress = {
    phase: 'search',
    trials: candidates.map((_, candidate) => ({ candidate, loss: 0, blocks: 0, dropped: false })),
    block: 0,
    epochs: [],
    best: null,
    states: {},
  };
  let progress = hooks.resumed ?? start;
  if (candidates.length === 1) return { ...progress, phase: 'final', states: {} };
  const scored = blocksOf(split.fitted);
  const taught = scored.map((block) => {
    const ends = [block[0]!, block.at(-1)!] as const;
    return sample.rows.filter((row) => row >= ends[0] && row <= ends[1]);
  });
  for (let block = progress.block; block < BLOCKS; block++) {
    const states: Record<string, NetworkState> = {};
    const trials = [];
    for (const trial of progress.trials) {
      if (trial.dropped) {
        trials.push(trial);
        continue;
      }
      const network = await networkOf(trial.candidate);
      try {
        const before = progress.states[trial.candidate];
        if (before !== undefined) await network.restore(before);
        const loss = block === 0 ? null : lossOf(set, options.loss, scored[block]!, network.predict(scored[block]!));
        if (block < BLOCKS - 1)
          for (let epoch = 0; epoch < EPOCHS_OF_BLOCK; epoch++) network.fit(taught[block]!, block * EPOCHS_OF_BLOCK + epoch, sample.kept);
        states[trial.candidate] = await network.state();
        trials.push(
          loss === null ? trial : { ...trial, loss: (trial.loss * trial.blocks + loss) / (trial.blocks + 1), blocks: trial.blocks + 1 },
        );
      } finally {
        network.dispose();
      }
      hooks.onProgress((0.4 * (block + (trial.candidate + 1) / candidates.length)) / BLOCKS, `search: block ${block + 1} of ${BLOCKS}`);
    }
    const { phase, epochs, best } = progress;
    progress = { phase, epochs, best, trials: block === 0 ? trials : halve(trials), block: block + 1, states };
    await hooks.save(progress);
  }
  return { ...progress, phase: 'final', states: {} };
};

const halve = (trials: Progress['trials']): Progress['trials'] => {
  const running = trials.filter(({ dropped }) => !dropped).toSorted((a, b) => a.loss - b.loss || a.candidate - b.candidate);
  const stay = new Set(running.slice(0, Math.ceil(running.length / 2)).map(({ candidate }) => candidate));
  return trials.map((trial) => ({ ...trial, dropped: !stay.has(trial.candidate) }));
};

const bestOf = (trials: Progress['trials']): Trial =>
  trials.filter(({ dropped }) => !dropped).toSorted((a, b) => a.loss - b.loss || a.candidate - b.candidate)[0]!;

/** Early stopping: ends with the weights of the epoch that predicted the validated part best. */
const fit = async ({ set, options, hooks, split, sample }: Work, network: Network, searched: Progress): Promise<Progress> => {
  let progress: Progress = searched;
  const epochs = [...searched.epochs];
  if (progress.states['now'] !== undefined) await network.restore(progress.states['now']);
  const isOver = (): boolean => {
    const epoch = progress.epochs.length;
    return epoch >= options.maxEpochs || (progress.best !== null && epoch - 1 - progress.best.epoch >= options.patience);
  };
  while (!isOver()) {
    const epoch = progress.epochs.length;
    const fitted = network.fit(sample.rows, 1_000 + epoch, sample.kept);
    const validated = lossOf(set, options.loss, split.validated, network.predict(split.validated));
    const now = await network.state();
    // Through the same door as after a kill, so that both go on bit for bit.
    await network.restore(now);
    const isBest = progress.best === null || validated < progress.best.loss;
    epochs.push({ fitted, validated });
    progress = {
      phase: progress.phase,
      trials: progress.trials,
      block: progress.block,
      epochs: epochs.slice(),
      best: isBest ? { epoch, loss: validated } : progress.best,
      states: { now, best: isBest ? now : progress.states['best']! },
    };
    await hooks.save(progress);
    const left = 0.4 + (0.6 * (epoch + 1)) / options.maxEpochs;
    hooks.onProgress(left, `epoch ${epoch + 1}: loss ${fitted.toFixed(4)}, validated ${validated.toFixed(4)}`);
  }
  await network.restore(progress.states['best']!);
  return progress;
};

/** Rows that stand for what was not shown are fitted, never scored; a held-out row is later than any that was learned. */
const splitInTime = ({ rows, outcome }: TrainingSet): Split => {
  const shown = Int32Array.from({ length: rows }, (_, i) => i).filter((row) => !Number.isNaN(outcome[row]!));
  const heldOutFrom = shown[Math.floor(shown.length * (1 - HELD_OUT))] ?? rows;
  const validatedFrom = shown[Math.floor(shown.length * (1 - HELD_OUT - VALIDATED))] ?? rows;
  return {
    fitted: Int32Array.from({ length: validatedFrom }, (_, i) => i),
    validated: shown.filter((row) => row >= validatedFrom && row < heldOutFrom),
    heldOut: shown.filter((row) => row >= heldOutFrom),
  };
};

const blocksOf = (rows: Int32Array): readonly Int32Array[] =>
  Array.from({ length: BLOCKS }, (_, i) =>
    rows.subarray(Math.floor((i * rows.length) / BLOCKS), Math.floor(((i + 1) * rows.length) / BLOCKS)),
  );

/** Keeps all positives; of the zeros, by a coin of each row's own, as many as the option says. Only where targets are zeros and ones. */
const sampleNegatives = (set: TrainingSet, rows: Int32Array, { negativesPerPositive, loss, seed }: TrainingOptions): Work['sample'] => {
  let positives = 0;
  for (const row of rows) {
    const y = set.target[row]!;
    if (y === 1) positives++;
    else if (y !== 0) return { rows, kept: 1 };
  }
  const kept = Math.min(1, (negativesPerPositive * positives) / Math.max(1, rows.length - positives));
  if (loss === 'squared' || positives === 0 || kept === 1) return { rows, kept: 1 };
  return { rows: rows.filter((row) => set.target[row] === 1 || randomOf(seed, 3, row)() < kept), kept };
};

const standardise = ({ x, xDims }: TrainingSet, rows: Int32Array): Standardisation => {
  const sums = new Float64Array(xDims);
  const squares = new Float64Array(xDims);
  for (const row of rows)
    for (let j = 0; j < xDims; j++) {
      const value = x[row * xDims + j]!;
      sums[j]! += value;
      squares[j]! += value * value;
    }
  const mean = Float32Array.from(sums, (sum) => sum / rows.length);
  const inverse = Float32Array.from(squares, (sum, j) => {
    const variance = sum / rows.length - (sums[j]! / rows.length) ** 2;
    return variance > 1e-8 ? 1 / Math.sqrt(variance) : 0;
  });
  return { mean, inverse };
};

/** Mean loss of shown actions; predictions in the order of `rows`. */
const lossOf = ({ outcome }: TrainingSet, loss: TrainingOptions['loss'], rows: Int32Array, predicted: Float32Array): number => {
  let sum = 0;
  let n = 0;
  for (let i = 0; i < rows.length; i++) {
    const y = outcome[rows[i]!]!;
    if (Number.isNaN(y)) continue;
    const p = loss === 'squared' ? predicted[i]! : Math.min(1 - 1e-6, Math.max(1e-6, predicted[i]!));
    sum += loss === 'squared' ? (p - y) ** 2 : -y * Math.log(p) - (1 - y) * Math.log(1 - p);
    n++;
  }
  return sum / n;
};
