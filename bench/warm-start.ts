/**
 * A warm start against a cold one on a real randomised log (Hillstrom's e-mails, action = segment, reward = visit): one model has learned half of
 * the customers before its first decision, the other has not; both then decide, explore and learn on the other half by rejection sampling (Li et al. 2011).
 *
 *   node bench/warm-start.ts --data DIR [--seeds N]     DIR holds marketing_data.csv.gz
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { hashUnit, type Experience } from '#contracts';
import { createLearner, createVersion, genericEncoder, type Learner } from '#models';
import {
  createUniformState,
  gammaOf,
  DEFAULT_GAMMA_SCHEDULE,
  inverseGapWeighting,
  nextUniform,
  sampleIndex,
  scalePriorities,
  seedUniform,
} from '#models/exploration';
import { planHistory, warmStart } from '#pipeline';
import { rowToExperience, type HistoryDeps } from '../pipeline/warm-start/row-to-experience.ts';
import { parseCsv } from '../pipeline/import/csv-source.ts';
import { textOfCell } from '../pipeline/import/text-of-cell.ts';
import type { Source } from '../pipeline/import/source.ts';

const { values } = parseArgs({ options: { data: { type: 'string' }, seeds: { type: 'string', default: '3' } } });
if (values.data === undefined) throw new Error('--data DIR is missing: the folder of marketing_data.csv.gz');
const PUBLISH_EVERY = 100;

const text = gunzipSync(readFileSync(join(values.data, 'marketing_data.csv.gz')))
  .toString('utf8')
  .trim();
const [header, ...lines] = parseCsv(text, ',', true).records.map(({ values: row }) => row.map(textOfCell));
const columns = header!;
const plan = planHistory(columns, { action: 'segment', reward: 'visit', ignore: ['conversion', 'spend'] });
const arms = [...new Set(lines.map((line) => line[plan.action]!))].toSorted().map((id) => ({ id, features: {} }));
const deps: HistoryDeps = {
  plan,
  fileHash: 'hillstrom',
  atMs: Date.UTC(2026, 0, 1),
  profileOf: (id) => arms.find((arm) => arm.id === id) ?? null,
  features: { names: [], defaults: [], fingerprint: '' },
  isAttribute: () => false,
  learnsRates: false,
};
const sourceOf = (rows: readonly (readonly string[])[]): Source => ({
  columns,
  rows: rows.length,
  async *records() {
    yield { records: rows.map((row, i) => ({ line: i + 1, values: row, fault: null })), share: 1 };
  },
});

/** Visits per decision among the rows on which it chose what the log has. */
const play = (
  learner: Learner,
  rows: readonly (readonly string[])[],
  seed: number,
): { readonly value: number; readonly decisions: number } => {
  const state = createUniformState();
  seedUniform(state, seed);
  const out = { propensities: new Float32Array(arms.length), effectiveN: new Float32Array(arms.length) };
  const first = learner.publish();
  const version = createVersion(first.versionBlob);
  let scorer = version.open(first.snapshotBlob);
  let [visits, decisions] = [0, 0];
  rows.forEach((row, line) => {
    const read = rowToExperience(deps, { line: line + 1_000_000, values: row, fault: null });
    if ('fault' in read) return;
    const { experience, reward } = read;
    scorer.score(experience.request, arms, out);
    const gammas = Array.from(out.effectiveN, (n) => gammaOf(n, DEFAULT_GAMMA_SCHEDULE));
    const scaled = scalePriorities(out.propensities, arms.length, new Float64Array(arms.length));
    const probabilities = inverseGapWeighting(scaled, gammas, arms.length, new Float64Array(arms.length));
    const chosen = sampleIndex(probabilities, arms.length, nextUniform(state));
    if (arms[chosen]!.id !== experience.action.id) return;
    visits += reward;
    decisions++;
    const learned: Experience = { ...experience, probability: probabilities[chosen]! };
    learner.learnShown(learned, reward);
    if (decisions % PUBLISH_EVERY === 0) scorer = version.open(learner.publish().snapshotBlob);
  });
  return { value: visits / decisions, decisions };
};

const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i + 1);
const results: { readonly warm: number; readonly cold: number; readonly logged: number }[] = [];
for (const seed of seeds) {
  const shuffled = lines
    .map((line, i) => ({ line, at: hashUnit(`${i}`, seed) }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ line }) => line);
  const half = Math.floor(shuffled.length / 2);
  const learner = (): Learner => createLearner({ loop: 'mail', encoder: genericEncoder(), seed });
  const warm = learner();
  await warmStart({ ...deps, source: sourceOf(shuffled.slice(0, half)), learner: warm, cap: 10, mostFaults: 0, onFault: () => {} });
  const rest = shuffled.slice(half);
  const logged = rest.reduce((sum, line) => sum + Number(line[plan.reward]), 0) / rest.length;
  const [warmly, coldly] = [play(warm, rest, seed), play(learner(), rest, seed)];
  results.push({ warm: warmly.value, cold: coldly.value, logged });
  console.log(
    `seed ${seed}: warm ${warmly.value.toFixed(4)}, cold ${coldly.value.toFixed(4)}, as logged ${logged.toFixed(4)} visits per decision (${warmly.decisions} decisions)`,
  );
}
const mean = (of: 'warm' | 'cold' | 'logged'): number => results.reduce((sum, result) => sum + result[of], 0) / results.length;
console.log(JSON.stringify({ bench: 'warm-start', warm: mean('warm'), cold: mean('cold'), logged: mean('logged') }));
