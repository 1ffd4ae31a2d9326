/** Learners' checkpoints as files beside the join: written whole and synced before the checkpoint names them. */
import { open, readFile, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';

const PREFIX = 'learner-';

export const writeLearnerFile = async (dir: string, name: string, bytes: Uint8Array): Promise<void> => {
  const path = join(dir, name);
  const file = await open(`${path}.tmp`, 'w');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
};

export const learnerFileName = (sequence: number, index: number): string => `${PREFIX}${sequence}-${index}.bin`;

export const readLearnerFile = (dir: string, name: string): Promise<Buffer> => readFile(join(dir, name));

/** Those that no checkpoint names any more. */
export const removeOtherLearnerFiles = async (dir: string, named: ReadonlySet<string>): Promise<void> => {
  for (const name of await readdir(dir)) if (name.startsWith(PREFIX) && !named.has(name)) await unlink(join(dir, name));
};
