/**
 * `npm run notebooks [-- open|execute|check]`: opens them in JupyterLab, executes them in place, or checks what is committed (CI).
 *
 * Each has a system of its own on the simulated pilot; `check` executes copies and fails on any cell's error, and on a notebook whose
 * outputs are not committed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { startPilot } from './pilot.ts';
import { preparePython } from './python-environment.ts';

/** Those of attune.py. */
const PORTS = { api: 18_080, warehouse: 18_123 };

const [mode = 'open', ...names] = process.argv.slice(2);
if (!['open', 'execute', 'check'].includes(mode)) {
  console.error(`notebooks: open, execute or check, not '${mode}'`);
  process.exit(1);
}

const python = preparePython(mode === 'open' ? 'notebooks/requirements-lab.txt' : 'test/python/requirements.txt', (line) =>
  console.log(`notebooks: ${line}`),
);
if (python === null) {
  console.log('skipped: the notebooks, because there is no Python to run them');
  process.exit(mode === 'check' && process.env['ATTUNE_TEST_ENGINES'] !== 'required' ? 0 : 1);
}
const pilot = await startPilot(mode === 'open' ? PORTS : undefined);
const args =
  mode === 'open'
    ? ['-m', 'jupyterlab', `--notebook-dir=${import.meta.dirname}`, ...(process.getuid?.() === 0 ? ['--allow-root'] : [])]
    : [join(import.meta.dirname, 'execute.py'), mode, ...names];
const child = spawn(python, args, {
  stdio: ['ignore', 'inherit', 'inherit'],
  env: { ...process.env, ...pilot.env },
  cwd: import.meta.dirname,
});
// The terminal tells Jupyter too; the system stops after it.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
const [code] = (await once(child, 'exit')) as [number | null];
await pilot.stop();
process.exit(code ?? 1);
