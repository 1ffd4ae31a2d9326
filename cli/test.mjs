/**
 * `npm test`: runs vitest's projects, names what was skipped, and ends with the line `N passed, N failed`. Arguments go to vitest
 * (`npm test -- decisioning`); without any, two jobs run at a time, for what needs engines or processes waits most of its time.
 */
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeToUse, runUnder } from './node24.mjs';

const node = nodeToUse() ?? process.execPath;
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'attune-test-'));
const given = process.argv.slice(2);
const all = ['engines', 'system', 'unit'];
/** A job a run of vitest; the longest first. */
const jobs =
  given.length === 0
    ? all.map((name) => ({ projects: [name], more: [] }))
    : [{ projects: given.includes('--project') ? [] : all, more: given }];
const LANES = 2;

const run = async ({ projects, more }, index) => {
  const report = join(folder, `results-${index}.json`);
  const output = join(folder, `output-${index}.txt`);
  const args = [
    'run',
    ...projects.flatMap((name) => ['--project', name]),
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  // The first job has the terminal; what the others say is shown when all are over.
  const code = await runUnder(node, vitest, [...args, ...more], index === 0 ? 'inherit' : openSync(output, 'w'));
  return { code, report, output: index === 0 ? null : output };
};

/** A file that failed before its first test counts as one failure: nothing of it ran. */
const summarise = (results) => {
  const counts = { passed: 0, failed: 0 };
  const skipped = [];
  const broken = [];
  for (const file of results.testResults) {
    const name = relative(process.cwd(), file.name);
    for (const test of file.assertionResults) {
      if (test.status === 'passed') counts.passed++;
      else if (test.status === 'failed') counts.failed++;
      else skipped.push(`${name}: ${test.fullName ?? test.title}`);
    }
    if (file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')) {
      counts.failed++;
      broken.push(`${name}: ${String(file.message).split('\n')[0]}`);
    }
  }
  return { ...counts, skipped, broken };
};

const summaryOf = ({ code, report }) => {
  let summary;
  try {
    summary = summarise(JSON.parse(readFileSync(report, 'utf8')));
  } catch (error) {
    return { passed: 0, failed: 1, skipped: [], broken: [`vitest left no report (exit code ${code}): ${error.message}`] };
  }
  // Whatever vitest holds against the run beside its tests (an unhandled rejection) is a failure too.
  return code === 0 || summary.failed > 0 ? summary : { ...summary, failed: 1 };
};

const waiting = [...jobs.entries()];
const ran = [];
// Whoever ends the run ends it whole, not one job of it.
let isStopped = false;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => (isStopped = true));
const lane = async () => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const [index, job] = next;
    ran[index] = isStopped ? { code: 1, report: '', output: null } : await run(job, index);
  }
};
await Promise.all(Array.from({ length: LANES }, lane));
for (const { output } of ran) if (output !== null) process.stdout.write(readFileSync(output));
const summaries = ran.map(summaryOf);
const summary = {
  passed: summaries.reduce((sum, { passed }) => sum + passed, 0),
  failed: summaries.reduce((sum, { failed }) => sum + failed, 0),
  skipped: summaries.flatMap(({ skipped }) => skipped),
  broken: summaries.flatMap(({ broken }) => broken),
};
rmSync(folder, { recursive: true, force: true });

for (const name of summary.broken) console.log(`broken: ${name}`);
for (const name of summary.skipped) console.log(`skipped: ${name}`);
const failed = summary.failed > 0 || summary.passed > 0 ? summary.failed : 1;
console.log(`${summary.passed} passed, ${failed} failed${summary.skipped.length > 0 ? `, ${summary.skipped.length} skipped` : ''}`);
process.exit(failed === 0 ? 0 : 1);
