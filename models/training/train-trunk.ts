/** `attune train`'s core: logged decisions in, a version with its posterior and the figures of its report out. */
import { AttuneError, DAY_MS } from '#contracts';
import { createMemoryTrials, type MemoryChoice } from '../drift/memory-trials.ts';
import { createLearner, createLearnerOf } from '../learner.ts';
import type { EncoderSpec } from '../encoder/spec.ts';
import type { LoggedDecision, LoggedDecisions } from '../logged/logged-decision.ts';
import type { BackendName } from '../trunk/tensorflow.ts';
import type { Learner } from '../types.ts';
import { packVersion, type Memory } from '../version-blob.ts';
import { isDefaultMemory, tellMemory } from './memories.ts';
import type { HyperParameters } from './network.ts';
import { buildPosterior, experiencesOf } from './posterior.ts';
import type { ProgressFile } from './progress-file.ts';
import { summarise, type TrainingReport } from './report.ts';
import { trainNetwork, type TrainedNetwork, type TrainingOptions } from './train-network.ts';
import { createTrainingSet, type Objective, type TrainingSet } from './training-set.ts';

export interface TrainTrunkOptions {
  readonly loop: string;
  readonly encoder: EncoderSpec;
  readonly fromMs: number;
  /** Decisions made from here on are the next training's: at latest the first that may still change. A run that goes on takes the same. */
  readonly toMs: number;
  readonly objective: Objective;
  readonly clip: number;
  readonly maxRows: number;
  readonly candidates: readonly HyperParameters[];
  readonly outputs: number;
  readonly seed: number;
  readonly maxEpochs: number;
  readonly patience: number;
  readonly negativesPerPositive: number;
  /** The first stays unless another is clearly better on the rows that are not held out; one alone is not judged. */
  readonly memories: readonly Memory[];
  readonly backend?: BackendName;
}

export interface TrainTrunkDeps {
  readonly logged: LoggedDecisions;
  readonly progressFile: (of: string) => ProgressFile;
  /** What a run that goes on must be given as `toMs`, so that it sees the same decisions. */
  readonly onBegun: (toMs: number) => Promise<void>;
  readonly onProgress: (done: number, what: string) => void;
  /** A line that stays. */
  readonly say: (line: string) => void;
}

export interface TrainedVersion {
  readonly version: string;
  readonly versionBlob: Uint8Array;
  /** The checkpoint of a learner that holds every decision made before `posteriorUntilMs`. */
  readonly posterior: Uint8Array;
  readonly posteriorUntilMs: number;
  readonly experiences: number;
  readonly report: TrainingReport;
}

/** Below this nothing can be told from chance. */
const LEAST_ROWS = 200;
const LEAST_POSITIVES = 20;
/** A decision that has not matured by then never will: its rewards were lost, and nobody waits for it. */
const NEVER_MATURES_MS = 15 * DAY_MS;

export const trainTrunk = async (asked: TrainTrunkOptions, deps: TrainTrunkDeps): Promise<TrainedVersion> => {
  const { set, untilMs } = await collect(asked, deps);
  const options = { ...asked, toMs: untilMs };
  await deps.onBegun(untilMs);
  const loss = refuseTooLittle(set, options);
  deps.say(
    `${set.rows.toLocaleString('en')} rows of shown actions, ${set.actions.length} actions, x of ${set.xDims} dimensions, ${loss} loss`,
  );
  const { candidates, outputs, seed, maxEpochs, patience, negativesPerPositive, backend } = options;
  const settings: TrainingOptions = {
    ...{ candidates, outputs, loss, seed, maxEpochs, patience, negativesPerPositive },
    ...(backend === undefined ? {} : { backend }),
  };
  const file = deps.progressFile(JSON.stringify([set.fingerprint, set.rows, settings, options.objective, options.clip]));
  const resumed = await file.read();
  if (resumed !== null) deps.say(`goes on where it ended: ${resumed.phase}, ${resumed.epochs.length} epochs done`);
  const trained = await trainNetwork(set, settings, { resumed, save: (progress) => file.write(progress), onProgress: deps.onProgress });
  const content = { loop: options.loop, encoder: options.encoder, trunk: trained.trunk };
  const choice = await chooseMemory({ ...options, areRates: loss === 'logistic' }, deps, packVersion(content), set, trained);
  deps.say(`half-life: ${tellMemory(choice.memory)}${choice.rows === 0 ? '' : `, judged on ${choice.rows.toLocaleString('en')} rows`}`);
  const versionBlob = packVersion(isDefaultMemory(options.encoder, choice.memory) ? content : { ...content, memory: choice.memory });
  const built = await rebuild(options, deps, versionBlob, heldOutFromMs(set, trained));
  const report = summarise({ set, trained, built, choice, options, loss });
  return {
    version: built.challenger.version,
    versionBlob,
    posterior: built.challenger.checkpoint(),
    posteriorUntilMs: untilMs,
    experiences: built.challenger.experiences,
    report,
  };
};

const collect = async (
  options: TrainTrunkOptions,
  { logged, onProgress }: TrainTrunkDeps,
): Promise<{ readonly set: TrainingSet; readonly untilMs: number }> => {
  const builder = createTrainingSet(options);
  for await (const batch of logged.read({ loop: options.loop, fromMs: options.fromMs, toMs: options.toMs })) {
    const open = batch.findIndex((decision) => !isFinal(decision) && decision.decidedAtMs > options.toMs - NEVER_MATURES_MS);
    builder.add(open < 0 ? batch : batch.slice(0, open));
    onProgress(0, `reading: ${builder.rows.toLocaleString('en')} rows`);
    if (open >= 0) return { set: builder.build(), untilMs: batch[open]!.decidedAtMs };
  }
  return { set: builder.build(), untilMs: options.toMs };
};

const isFinal = ({ rewards }: LoggedDecision): boolean => rewards.every((reward) => reward?.matured === true);

/** Rates where all outcomes lie within [0, 1], else rewards. Throws `training.too-little`. */
const refuseTooLittle = (set: TrainingSet, { loop }: TrainTrunkOptions): TrainingOptions['loss'] => {
  let shown = 0;
  let positives = 0;
  let isRate = true;
  for (const y of set.outcome) {
    if (Number.isNaN(y)) continue;
    shown++;
    if (y > 0) positives++;
    if (y < 0 || y > 1) isRate = false;
  }
  const hint = set.notAsServed > 0 ? `; ${set.notAsServed} were recorded before the warehouse kept all that the encoder reads` : '';
  if (shown < LEAST_ROWS || (isRate && Math.min(positives, shown - positives) < LEAST_POSITIVES))
    throw new AttuneError(
      'training.too-little',
      `loop '${loop}' has ${shown} matured shown actions, ${positives} of them positive: a network needs ${LEAST_ROWS}, with ${LEAST_POSITIVES} positives and as many negatives${hint}`,
    );
  return isRate ? 'logistic' : 'squared';
};

const heldOutFromMs = ({ decidedAtMs }: TrainingSet, { split }: TrainedNetwork): number => decidedAtMs[split.heldOut[0]!]!;

/** Publications of a trial: each solves for its means, as a learner that serves does far more often. */
const TRIAL_PUBLICATIONS = 500;

/** By the training's rows without the held-out ones: those judge the version as a whole. */
const chooseMemory = async (
  { loop, memories, areRates }: TrainTrunkOptions & { readonly areRates: boolean },
  { logged, onProgress }: TrainTrunkDeps,
  trunkBlob: Uint8Array,
  set: TrainingSet,
  trained: TrainedNetwork,
): Promise<MemoryChoice<Memory>> => {
  if (memories.length === 1) return { memory: memories[0]!, trials: [], rows: 0 };
  const trials = createMemoryTrials({
    memories,
    createLearner: (memory) => createLearnerOf(trunkBlob, memory),
    areRates,
    publishEvery: Math.max(50, Math.ceil(set.rows / TRIAL_PUBLICATIONS)),
    warmUp: Math.min(500, Math.floor(trained.split.heldOut[0]! / 4)),
  });
  let rows = 0;
  for await (const batch of logged.read({ loop, fromMs: set.decidedAtMs[0]!, toMs: heldOutFromMs(set, trained) })) {
    for (const decision of batch)
      if (isFinal(decision))
        for (const { experience, target } of experiencesOf(decision)) {
          trials.add(experience, target);
          rows++;
        }
    onProgress(1, `memory: ${rows.toLocaleString('en')} rows`);
  }
  return trials.choose();
};

export interface Rebuilt {
  readonly challenger: Learner;
  /** Of the held-out rows, each predicted before it was learned: the new trunk's head, and model zero's on the same rows. */
  readonly predictions: ReturnType<typeof buildPosterior>['predictions'];
  readonly modelZero: ReturnType<typeof buildPosterior>['predictions'];
}

/** All final decisions, in the order of time. */
const rebuild = async (
  options: TrainTrunkOptions,
  deps: TrainTrunkDeps,
  versionBlob: Uint8Array,
  scoredFromMs: number,
): Promise<Rebuilt> => {
  const { loop, encoder, fromMs, toMs } = options;
  const challenger = createLearnerOf(versionBlob);
  const posterior = buildPosterior(challenger, scoredFromMs);
  const modelZero = buildPosterior(createLearner({ loop, encoder }), scoredFromMs);
  for await (const batch of deps.logged.read({ loop, fromMs, toMs })) {
    const final = batch.filter(isFinal);
    posterior.add(final);
    modelZero.add(final);
    deps.onProgress(1, `posterior: ${challenger.experiences.toLocaleString('en')} experiences`);
  }
  return { challenger, predictions: posterior.predictions, modelZero: modelZero.predictions };
};
