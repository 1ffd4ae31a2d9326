/** `attune snapshot`: copies the feature store to files, while it is in use, for a rebuild. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { AttuneError } from '#contracts';
import { createProgressLines, listSnapshots, pruneSnapshots, scrubSnapshots, takeSnapshot } from '#pipeline';
import { loadProject } from '#project';
import type { Config } from '../config.ts';
import { openStores } from '../open-stores.ts';
import { snapshotsDir } from '../snapshots.ts';

export const snapshot = async (config: Config, args: readonly string[]): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: { to: { type: 'string' }, keep: { type: 'string', default: '3' }, scrub: { type: 'boolean', default: false } },
  });
  const keep = Number(values.keep);
  if (!Number.isInteger(keep) || keep < 1)
    throw new AttuneError('config.invalid', `--keep must be a whole number from 1, not '${values.keep}'`);
  const root = values.to === undefined ? snapshotsDir(config) : resolve(values.to);
  const stores = await openStores(config);
  const { log, store } = stores;
  try {
    if (!values.scrub) {
      const project = loadProject(config.catalogDir);
      const earlier = (await listSnapshots(root)).flatMap(({ manifest }) => manifest.blobs.map(({ name }) => name ?? ''));
      const catalogs = [`catalog/${project.version}`, ...earlier.filter((name) => name.startsWith('catalog/'))];
      const { dir, manifest } = await takeSnapshot({
        log,
        store,
        root,
        clock: Date.now,
        blobNames: catalogs,
        onProgress: createProgressLines({ print: console.log }),
      });
      const states = manifest.partitions.reduce((sum, partition) => sum + partition.states, 0);
      console.log(`${states.toLocaleString('en')} customers' states are in ${dir}`);
      for (const name of await pruneSnapshots(root, keep)) console.log(`${name} is gone: ${keep} are kept`);
    }
    const scrubbed = await scrubSnapshots(log, root);
    if (scrubbed > 0 || values.scrub)
      console.log(`${scrubbed.toLocaleString('en')} states of erased customers were taken out of snapshots`);
  } finally {
    await stores.close();
  }
};
