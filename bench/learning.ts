/**
 * How fast the loop learns: the simulated world, telco catalog with equal worths, delays, drift and fatigue, in virtual time.
 * `npm run bench:learning [-- --seeds 5] [-- --decisions 50000] [-- --first 1]`; last line JSON: gapClosed (mean over seeds of the last tenth).
 */
import { availableParallelism } from 'node:os';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { loadProject } from '#project';
import { equalWorth } from './learning/equal-worth.ts';
import { drawCurve } from './learning/draw-curve.ts';
import { runWorld } from './learning/run-world.ts';
import type { RunResult } from './learning/run-world.ts';

interface Job {
  readonly seed: number;
  readonly decisions: number;
}

const VIRTUAL_DAYS = 30;
const BLOCKS = 10;

const runSeed = ({ seed, decisions }: Job): RunResult =>
  runWorld({
    project: equalWorth(loadProject(fileURLToPath(new URL('../catalog/telco', import.meta.url)))),
    seed,
    decisions,
    customers: 5_000,
    everyMs: (VIRTUAL_DAYS * 86_400_000) / decisions,
    publishEvery: 50,
    blocks: BLOCKS,
  });

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '5' },
      first: { type: 'string', default: '1' },
      decisions: { type: 'string', default: '50000' },
      picture: { type: 'string' },
    },
  });
  const decisions = Number(values.decisions);
  const jobs = Array.from({ length: Number(values.seeds) }, (_, i): Job => ({ seed: Number(values.first) + i, decisions }));
  const results: RunResult[] = [];
  const runNext = async (): Promise<void> => {
    const job = jobs.shift();
    if (job === undefined) return;
    const startedMs = performance.now();
    const result = await new Promise<RunResult>((resolve, reject) => {
      new Worker(new URL(import.meta.url), { workerData: job }).on('message', resolve).on('error', reject);
    });
    results.push(result);
    const last = result.blocks.at(-1)!;
    console.log(
      `seed ${job.seed}: gap closed ${last.gapClosed.toFixed(3)} (context-free ${result.contextFreeGapClosed.toFixed(3)}); chosen ${percent(last.chosen)}, uniform ${percent(last.uniform)}, oracle ${percent(last.oracle)}; ` +
        `calibration error ${result.calibrationError.toFixed(4)}; ` +
        `${result.meanEligible.toFixed(1)} eligible (at least 20: ${percent(result.passedOver)} of moments passed over); lift over random proven after ${result.liftProvenAt ?? 'never'}; ${((performance.now() - startedMs) / 1_000).toFixed(0)} s`,
    );
    console.log(
      `  curve: ${result.blocks.map((block) => block.gapClosed.toFixed(2)).join(' ')}; without exploring: ${result.blocks.map((block) => block.greedyGapClosed.toFixed(2)).join(' ')}`,
    );
    await runNext();
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, runNext));

  const mean = (of: (result: RunResult) => number): number => round(results.reduce((sum, result) => sum + of(result), 0) / results.length);
  if (values.picture !== undefined) writeFileSync(values.picture, drawCurve(results));
  console.log(
    JSON.stringify({
      bench: 'learning',
      gapClosed: mean((result) => result.blocks.at(-1)!.gapClosed),
      greedyGapClosed: mean((result) => result.blocks.at(-1)!.greedyGapClosed),
      contextFreeGapClosed: mean((result) => result.contextFreeGapClosed),
      curve: Array.from({ length: BLOCKS }, (_, i) => mean((result) => result.blocks[i]!.gapClosed)),
      meanEligible: mean((result) => result.meanEligible),
      passedOver: mean((result) => result.passedOver),
      calibrationError: mean((result) => result.calibrationError),
      uniformAcceptance: mean((result) => result.meanAcceptance),
      liftProvenAt: results.map((result) => result.liftProvenAt).toSorted((a, b) => (a ?? Infinity) - (b ?? Infinity)),
      seeds: results.length,
      decisions,
    }),
  );
};

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const round = (x: number): number => Math.round(x * 10_000) / 10_000;

if (isMainThread) await main();
else parentPort!.postMessage(runSeed(workerData as Job));
