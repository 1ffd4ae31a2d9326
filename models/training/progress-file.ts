/** Progress of a training run in a file: written whole or not at all, so that a run that was killed goes on from its last epoch. */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { packArtifact, unpackArtifact } from '../artifact.ts';
import type { Progress } from './train-network.ts';

export interface ProgressFile {
  /** Null: there is none, or it is of another set or other options. */
  read(): Promise<Progress | null>;
  write(progress: Progress): Promise<void>;
  remove(): Promise<void>;
}

interface Header extends Omit<Progress, 'states'> {
  readonly format: 1;
  readonly of: string;
  readonly names: readonly string[];
}

/** @param of names set and options: progress of anything else does not count */
export const openProgressFile = (path: string, of: string): ProgressFile => ({
  async read() {
    const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (bytes === null) return null;
    const { header, arrays } = unpackArtifact<Header>(bytes);
    if (header.of !== of) return null;
    const { format: _format, of: _of, names, ...progress } = header;
    const states: Record<string, Record<string, Float32Array>> = {};
    for (const name of names) {
      const [key = '', array = ''] = name.split('|');
      (states[key] ??= {})[array] = arrays[name] as Float32Array;
    }
    return { ...progress, states };
  },
  async write({ states, ...progress }) {
    const arrays: Record<string, Float32Array> = {};
    for (const [key, state] of Object.entries(states)) for (const [name, array] of Object.entries(state)) arrays[`${key}|${name}`] = array;
    const bytes = packArtifact<Header>({ header: { format: 1, of, names: Object.keys(arrays), ...progress }, arrays });
    await mkdir(dirname(path), { recursive: true });
    const file = await open(`${path}.tmp`, 'w');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.tmp`, path);
  },
  remove: () => rm(path, { force: true }),
});
