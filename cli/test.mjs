/**
 * `npm test`: runs vitest's unit and engines projects, names what was skipped, and ends with the line `N passed, N failed`.
 * Arguments go to vitest (`npm test -- decisioning`).
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeToUse, runUnder } from './node24.mjs';

const node = nodeToUse() ?? process.execPath;
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'attune-test-'));
const report = join(folder, 'results.json');
const given = process.argv.slice(2);
const projects = given.includes('--project') ? [] : ['--project', 'unit', '--project', 'engines'];

const code = await runUnder(node, vitest, [
  'run',
  ...projects,
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...given,
]);

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

let summary;
try {
  summary = summarise(JSON.parse(readFileSync(report, 'utf8')));
} catch (error) {
  summary = { passed: 0, failed: 1, skipped: [], broken: [`vitest left no report (exit code ${code}): ${error.message}`] };
}
rmSync(folder, { recursive: true, force: true });

for (const name of summary.broken) console.log(`broken: ${name}`);
for (const name of summary.skipped) console.log(`skipped: ${name}`);
// Whatever vitest holds against the run beside its tests (an unhandled rejection) is a failure too.
const failed = summary.failed > 0 ? summary.failed : code === 0 && summary.passed > 0 ? 0 : 1;
console.log(`${summary.passed} passed, ${failed} failed${summary.skipped.length > 0 ? `, ${summary.skipped.length} skipped` : ''}`);
process.exit(failed === 0 ? 0 : 1);
