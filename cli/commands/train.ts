/** `attune train`: a new trunk from the warehouse's matured decisions, published as a challenger with its posterior and its report. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { AttuneError, DAY_MS } from '#contracts';
import { compileEncoder, genericEncoder, memoriesFor, openProgressFile, renderReport, trainTrunk } from '#models';
import type { HyperParameters, TrainTrunkOptions, TrainingReport } from '#models';
import { publishVersion } from '#pipeline';
import { loadProject } from '#project';
import type { Project } from '#project';
import type { Config } from '../config.ts';
import { loggedDecisionsOf } from '../open-logged-decisions.ts';
import { openStores } from '../open-stores.ts';
import { openConfiguredWarehouse } from '../open-warehouse.ts';
import { createProgressBar } from '../progress-bar.ts';

const OBJECTIVES = ['observed', 'importance', 'doublyRobust'] as const;
const ACTIVATIONS = ['relu', 'tanh', 'elu', 'selu'] as const;
const BACKENDS = ['tensorflow', 'wasm', 'cpu'] as const;

export const train = async (config: Config, args: readonly string[]): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      loop: { type: 'string', default: '' },
      days: { type: 'string', default: '90' },
      to: { type: 'string' },
      rows: { type: 'string', default: '200000' },
      objective: { type: 'string', default: 'importance' },
      clip: { type: 'string', default: '10' },
      outputs: { type: 'string', default: '64' },
      hidden: { type: 'string', default: 'none,128' },
      activation: { type: 'string', default: 'relu' },
      'learning-rate': { type: 'string', default: '0.001,0.003' },
      'weight-decay': { type: 'string', default: '0.00001,0.0003' },
      batch: { type: 'string', default: '256' },
      epochs: { type: 'string', default: '30' },
      patience: { type: 'string', default: '3' },
      negatives: { type: 'string', default: '10' },
      'half-life': { type: 'string' },
      seed: { type: 'string', default: '1' },
      backend: { type: 'string' },
      report: { type: 'string' },
      fresh: { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
    },
  });
  const project = loadProject(config.catalogDir);
  const dir = join(config.dataDir, 'training');
  const name = values.loop === '' ? 'catalog' : `loop-${encodeURIComponent(values.loop)}`;
  const [progressPath, runPath] = [join(dir, `${name}.bin`), join(dir, `${name}.json`)];
  if (values.fresh) await Promise.all([progressPath, runPath].map((path) => rm(path, { force: true })));
  const nowMs = Date.now();
  const outputs = whole('outputs', values.outputs, 8, 256);
  if (outputs % 8 !== 0) throw new AttuneError('config.invalid', `--outputs must be a multiple of 8, not ${outputs}`);
  const encoder = encoderOf(project, values.loop);
  const options: TrainTrunkOptions = {
    loop: values.loop,
    encoder,
    fromMs: Math.max(0, nowMs - whole('days', values.days, 1, 10_000) * DAY_MS),
    toMs: values.to === undefined ? nowMs : timeOf(values.to),
    objective: oneOf('objective', values.objective, OBJECTIVES),
    clip: numberOf('clip', values.clip, 1, 1e6),
    maxRows: whole('rows', values.rows, 1_000, 100_000_000),
    candidates: gridOf({
      hidden: values.hidden.split(',').map(hiddenOf),
      activation: oneOf('activation', values.activation, ACTIVATIONS),
      learningRates: values['learning-rate'].split(',').map((text) => numberOf('learning-rate', text, 1e-6, 1)),
      weightDecays: values['weight-decay'].split(',').map((text) => numberOf('weight-decay', text, 0, 1)),
      batchRows: whole('batch', values.batch, 8, 65_536),
    }),
    outputs,
    seed: whole('seed', values.seed, 0, 2 ** 31),
    maxEpochs: whole('epochs', values.epochs, 1, 1_000),
    patience: whole('patience', values.patience, 1, 1_000),
    negativesPerPositive: numberOf('negatives', values.negatives, 1, 1e9),
    memories: memoriesFor(encoder, values['half-life']?.split(',').map(halfLifeOf)),
    ...(values.backend === undefined ? {} : { backend: oneOf('backend', values.backend, BACKENDS) }),
  };
  const begun = await begunRun(runPath, args);
  const bar = createProgressBar(process.stdout);
  const stores = await openStores(config);
  const warehouse = openConfiguredWarehouse(config);
  let leftOut = 0;
  try {
    const trained = await trainTrunk(
      { ...options, ...begun },
      {
        logged: loggedDecisionsOf({ warehouse, blobs: stores.store.blobs, project, onLeftOut: (decisions) => (leftOut += decisions) }),
        progressFile: (of) => openProgressFile(progressPath, of),
        async onBegun(toMs) {
          await mkdir(dir, { recursive: true });
          await writeFile(runPath, JSON.stringify({ args, fromMs: begun?.fromMs ?? options.fromMs, toMs }));
        },
        onProgress: (done, what) => bar.show(done, what),
        say: (line) => bar.say(line),
      },
    );
    bar.end();
    const page = await renderReport(trained.report, trained.version);
    const reportPath = values.report ?? join(dir, `${trained.version}.html`);
    await mkdir(dir, { recursive: true });
    await writeFile(reportPath, page);
    if (leftOut > 0) console.log(`${leftOut} reads of decisions were left out: the catalog that made them is gone`);
    for (const { name: of, loss, auc, calibrationError } of trained.report.scores)
      console.log(
        `${of.padEnd(12)} ${lossName(trained.report.loss)} ${loss.toFixed(4)}, AUC ${auc.toFixed(4)}, calibration error ${calibrationError.toFixed(4)}`,
      );
    tellMemories(trained.report);
    console.log(`report: ${reportPath}`);
    if (values['dry-run']) console.log(`model ${trained.version} was not published (--dry-run)`);
    else {
      const role = await publishVersion(
        { log: stores.log, blobs: stores.store.blobs, clock: Date.now },
        {
          loop: options.loop,
          version: trained.version,
          versionBlob: trained.versionBlob,
          posterior: trained.posterior,
          posteriorUntilMs: trained.posteriorUntilMs,
          experiences: trained.experiences,
          report: page,
          note: `attune train: ${trained.report.trunk}, ${trained.report.objective}`,
        },
      );
      console.log(`model ${trained.version} is a ${role}; its posterior holds ${trained.experiences.toLocaleString('en')} experiences`);
    }
    await Promise.all([progressPath, runPath].map((path) => rm(path, { force: true })));
  } finally {
    await warehouse.close();
    await stores.close();
  }
};

/** Of a run with these very arguments that did not come to its end; null: a new one begins. */
const begunRun = async (path: string, args: readonly string[]): Promise<{ fromMs: number; toMs: number } | null> => {
  try {
    const run = JSON.parse(await readFile(path, 'utf8')) as { args: readonly string[]; fromMs: number; toMs: number };
    const same = JSON.stringify(run.args.filter((arg) => arg !== '--fresh')) === JSON.stringify(args.filter((arg) => arg !== '--fresh'));
    return same ? { fromMs: run.fromMs, toMs: run.toMs } : null;
  } catch {
    return null;
  }
};

const encoderOf = (project: Project, loop: string): TrainTrunkOptions['encoder'] =>
  loop === '' ? compileEncoder(project) : genericEncoder();

const tellMemories = ({ memory, loss }: TrainingReport): void => {
  if (memory.rows === 0) return;
  for (const { halfLife, loss: lost, excess, excessError, chosen } of memory.trials)
    console.log(
      `half-life ${halfLife.padEnd(12)} progressive ${lossName(loss)} ${lost.toFixed(4)}, ${excess.toFixed(4)} ± ${excessError.toFixed(4)} above the least${chosen ? '; chosen' : ''}`,
    );
};

const lossName = (loss: 'logistic' | 'squared'): string => (loss === 'logistic' ? 'log-loss' : 'squared error');

const gridOf = (grid: {
  readonly hidden: readonly (readonly number[])[];
  readonly activation: HyperParameters['activation'];
  readonly learningRates: readonly number[];
  readonly weightDecays: readonly number[];
  readonly batchRows: number;
}): readonly HyperParameters[] =>
  grid.hidden.flatMap((hidden) =>
    grid.learningRates.flatMap((learningRate) =>
      grid.weightDecays.map((weightDecay) => ({
        hidden,
        activation: grid.activation,
        learningRate,
        weightDecay,
        batchRows: grid.batchRows,
      })),
    ),
  );

/** `none`, or the units of each layer: 128x64. */
const hiddenOf = (text: string): readonly number[] =>
  text.trim() === 'none' ? [] : text.split('x').map((units) => whole('hidden', units, 1, 1_024));

/** Days in the catalog's loop, rows in a caller's; `never`. */
const halfLifeOf = (text: string): number => (text.trim() === 'never' ? Infinity : numberOf('half-life', text, 0.01, 1e9));

const numberOf = (name: string, text: string, least: number, most: number): number => {
  const value = Number(text);
  if (text.trim() === '' || !(value >= least && value <= most))
    throw new AttuneError('config.invalid', `--${name} must be a number from ${least} to ${most}, not '${text}'`);
  return value;
};

const timeOf = (text: string): number => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new AttuneError('config.invalid', `--to must be a date as in 2026-11-25T10:00:00Z, not '${text}'`);
  return ms;
};

const whole = (name: string, text: string, least: number, most: number): number => {
  const value = numberOf(name, text, least, most);
  if (!Number.isInteger(value)) throw new AttuneError('config.invalid', `--${name} must be a whole number, not '${text}'`);
  return value;
};

const oneOf = <T extends string>(name: string, text: string, choices: readonly T[]): T => {
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw new AttuneError('config.invalid', `--${name} must be one of ${choices.join(', ')}, not '${text}'`);
  return found;
};
