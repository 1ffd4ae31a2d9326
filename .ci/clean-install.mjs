/** Repeats `npm ci` in a clean folder: npm has written lock files that it then refused. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'attune-clean-'));
try {
  for (const file of ['package.json', 'package-lock.json', '.npmrc']) copyFileSync(join(root, file), join(folder, file));
  execFileSync('npm', ['ci', '--ignore-scripts'], { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] });
  if (!existsSync(join(folder, 'node_modules/lmdb'))) throw new Error('npm ci left no node_modules/lmdb');
  console.log('npm ci accepts the lock file in a clean folder');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
