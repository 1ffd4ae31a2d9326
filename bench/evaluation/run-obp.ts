/** Runs a script of bench/peers/obp with a Python that has the Open Bandit Pipeline, and hands over files in a folder of its own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../peers/obp/', import.meta.url));

export interface ObpFiles {
  readonly write: (name: string, content: string | Uint8Array) => void;
  readonly json: (name: string) => unknown;
  readonly floats: (name: string) => Float64Array;
}

/** @param python the interpreter of an environment as bench/peers/obp/open_obp.py describes */
export const runObp = <T>(
  { python, script, args = [] }: { readonly python: string; readonly script: string; readonly args?: readonly string[] },
  use: { readonly before?: (files: ObpFiles) => void; readonly after: (files: ObpFiles) => T },
): T => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-obp-'));
  const files: ObpFiles = {
    write: (name, content) => writeFileSync(join(dir, name), content),
    json: (name) => JSON.parse(readFileSync(join(dir, name), 'utf8')),
    floats: (name) => {
      const bytes = readFileSync(join(dir, name));
      return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    },
  };
  try {
    use.before?.(files);
    execFileSync(python, [join(FOLDER, script), dir, ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    return use.after(files);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};
