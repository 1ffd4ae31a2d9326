/** `attune rebuild`: makes the feature store anew from the last snapshot and the log. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import pino from 'pino';
import { AttuneError } from '#contracts';
import { createProgressLines, listSnapshots, openSnapshot, rebuild as rebuildStore } from '#pipeline';
import type { Snapshot } from '#pipeline';
import { loadProject } from '#project';
import { compileStateProject } from '../compile-state-project.ts';
import type { Config } from '../config.ts';
import { openStores } from '../open-stores.ts';
import { snapshotsDir } from '../snapshots.ts';

export const rebuild = async (config: Config, args: readonly string[]): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'from-snapshot': { type: 'string' },
      'from-log': { type: 'boolean', default: false },
      'accept-loss': { type: 'boolean', default: false },
    },
  });
  if (values['from-log'] && values['from-snapshot'] !== undefined) {
    throw new AttuneError('config.invalid', '--from-log and --from-snapshot exclude each other');
  }
  const project = compileStateProject(loadProject(config.catalogDir));
  const snapshot = values['from-log'] ? null : await chooseSnapshot(config, values['from-snapshot']);
  console.log(snapshot === null ? 'from the log alone' : `from the snapshot ${snapshot.dir} and the log after it`);
  const stores = await openStores(config);
  const { log, store } = stores;
  const beganMs = performance.now();
  try {
    const { restored, replayed } = await rebuildStore({
      log,
      store,
      project,
      logger: pino({ level: config.logLevel, base: { role: 'rebuild' } }),
      snapshot,
      acceptLoss: values['accept-loss'],
      onProgress: createProgressLines({ print: console.log }),
    });
    const seconds = ((performance.now() - beganMs) / 1_000).toFixed(1);
    console.log(`rebuilt in ${seconds} s: ${restored.toLocaleString('en')} restored, ${replayed.toLocaleString('en')} records replayed`);
  } finally {
    await stores.close();
  }
};

/** The newest, where none is named. */
const chooseSnapshot = async (config: Config, dir: string | undefined): Promise<Snapshot | null> => {
  if (dir !== undefined) return openSnapshot(resolve(dir));
  const [newest] = await listSnapshots(snapshotsDir(config));
  return newest ?? null;
};
