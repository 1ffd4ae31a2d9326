/** Reads a project from a folder on disk. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createProject } from './project.ts';
import type { Project } from './project.ts';
import { ProjectError } from './faults.ts';

const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** Throws ProjectError when the folder is absent, holds no YAML file, or a file cannot be read or parsed. */
export const loadProject = (dir: string): Project => {
  const files = new Map<string, string>();
  for (const path of pathsOf(dir)) {
    const text = read(join(dir, path), path);
    files.set(path, text);
  }
  if (files.size === 0) throw new ProjectError([{ file: dir, line: 1, column: 1, message: 'no .yaml file in this folder' }]);
  return createProject(files);
};

const pathsOf = (dir: string): string[] => {
  try {
    return readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.ya?ml$/.test(entry.name) && !entry.name.startsWith('.'))
      .map((entry) => join(entry.parentPath, entry.name).slice(join(dir, '/').length).replaceAll('\\', '/'));
  } catch (cause) {
    throw new ProjectError([{ file: dir, line: 1, column: 1, message: `cannot be read: ${(cause as Error).message}` }]);
  }
};

const read = (file: string, path: string): string => {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ProjectError([{ file: path, line: 1, column: 1, message: `cannot be read: ${(cause as Error).message}` }]);
  }
};
