/** A Python environment of this checkout's own, in `.attune/python`, made once for each set of requirements. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..');
const LEAST = [3, 10] as const;

/** The path of its Python; null: this machine has no Python that could make it, and `why` was told. */
export const preparePython = (requirements: string, tell: (line: string) => void): string | null => {
  const system = findPython();
  if (system === null) {
    tell(`python3 ${LEAST.join('.')} or later is not on this machine`);
    return null;
  }
  const folder = join(ROOT, '.attune/python');
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  const mark = join(folder, `.installed-${hashOf(requirements)}`);
  if (existsSync(mark)) return python;
  if (!existsSync(python)) {
    mkdirSync(dirname(folder), { recursive: true });
    // JupyterLab brings scripts for Node that are not the modules that our own package.json would make of them.
    writeFileSync(join(dirname(folder), 'package.json'), '{ "type": "commonjs" }\n');
    const made = spawnSync(system, ['-m', 'venv', folder], { encoding: 'utf8' });
    if (made.status !== 0) {
      rmSync(folder, { recursive: true, force: true });
      tell(`python3 -m venv does not work here (Debian: apt-get install python3-venv): ${(made.stderr || made.stdout).trim()}`);
      return null;
    }
  }
  tell(`installing ${requirements} into .attune/python`);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input'];
  const isDone = (args: readonly string[], stderr: 'inherit' | 'ignore'): boolean =>
    spawnSync(python, args, { stdio: ['ignore', 'inherit', stderr] }).status === 0;
  // uv takes seconds where pip takes a minute; pip is there where uv is not, or does not reach the index.
  const byUv = ['-m', 'uv', 'pip', 'install', '--quiet', '--python', python, '-r', join(ROOT, requirements)];
  const isInstalled =
    (isDone([...pip, 'uv'], 'ignore') && isDone(byUv, 'ignore')) || isDone([...pip, '-r', join(ROOT, requirements)], 'inherit');
  if (!isInstalled) throw new Error(`pip could not install ${requirements}`);
  writeFileSync(mark, '');
  return python;
};

const findPython = (): string | null => {
  for (const name of ['python3', 'python']) {
    const { status, stdout } = spawnSync(name, ['-c', 'import sys; print(*sys.version_info[:2])'], { encoding: 'utf8' });
    if (status !== 0) continue;
    const [major = 0, minor = 0] = stdout.trim().split(' ').map(Number);
    if (major === LEAST[0] && minor >= LEAST[1]) return name;
  }
  return null;
};

/** Of the file and of those that it names. */
const hashOf = (requirements: string): string => {
  const read = (file: string): string => {
    const text = readFileSync(file, 'utf8');
    return text + [...text.matchAll(/^-r (.+)$/gm)].map(([, other]) => read(resolve(dirname(file), other!))).join('');
  };
  return createHash('sha256')
    .update(read(join(ROOT, requirements)))
    .digest('hex')
    .slice(0, 12);
};
