/** A decisioning project: the YAML files of one folder, with a version that is the hash of their content. */
import { createHash } from 'node:crypto';
import { parseProjectDocument } from './document.ts';
import type { ProjectDocument } from './document.ts';
import { refuseFaults } from './faults.ts';
import type { Fault } from './faults.ts';

export interface Project {
  /** 16 hex digits: SHA-256 over path and content of every file, sorted by path. */
  readonly version: string;
  readonly files: ReadonlyMap<string, string>;
  /** Null: there is no such file. */
  document(path: string): ProjectDocument | null;
  /** Every YAML file directly or deeper in a folder, sorted by path. */
  documents(folder: string): readonly ProjectDocument[];
}

const isYaml = (path: string): boolean => path.endsWith('.yaml') || path.endsWith('.yml');

/** @param files path (forward slashes) → text. Throws ProjectError on YAML that cannot be read. */
export const createProject = (files: ReadonlyMap<string, string>): Project => {
  const sorted = new Map([...files].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const hash = createHash('sha256');
  const documents = new Map<string, ProjectDocument>();
  const faults: Fault[] = [];
  for (const [path, text] of sorted) {
    hash.update(`${path}\0${text}\0`);
    if (isYaml(path)) documents.set(path, parseProjectDocument(path, text, faults));
  }
  refuseFaults(faults);
  return {
    version: hash.digest('hex').slice(0, 16),
    files: sorted,
    document: (path) => documents.get(path) ?? null,
    documents: (folder) => [...documents.values()].filter((document) => document.path.startsWith(`${folder}/`)),
  };
};
