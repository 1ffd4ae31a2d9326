/** `attune models list|add DIR`: the versions that there are, and a trunk of one's own as a challenger. */
import { parseArgs } from 'node:util';
import { AttuneError } from '#contracts';
import { listModels, publishVersion } from '#pipeline';
import { loadProject } from '#project';
import type { Config } from '../config.ts';
import { openStores } from '../open-stores.ts';

export const models = async (config: Config, args: readonly string[]): Promise<void> => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      loop: { type: 'string', default: '' },
      layer: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
    },
  });
  const [what = 'list', path, ...rest] = positionals;
  if (what === 'list' && path === undefined) return list(config);
  if (what !== 'add' || path === undefined || rest.length > 0)
    throw new AttuneError('config.invalid', 'attune models takes list, or add and the folder of a TensorFlow.js LayersModel');
  const { compileEncoder, genericEncoder, ownVersion } = await import('#models');
  const { loop, layer } = values;
  const encoder = loop === '' ? compileEncoder(loadProject(config.catalogDir)) : genericEncoder();
  const { version, versionBlob, shape } = await ownVersion({ path, loop, encoder, layer });
  console.log(`trunk ${shape}: it serves as TensorFlow.js computes it`);
  if (values['dry-run']) return console.log(`model ${version} was not published (--dry-run)`);
  const stores = await openStores(config);
  try {
    const role = await publishVersion(
      { log: stores.log, blobs: stores.store.blobs, clock: Date.now },
      {
        ...{ loop, version, versionBlob, posterior: null, posteriorUntilMs: 0, experiences: 0, report: null },
        note: `attune models add: ${shape}`,
      },
    );
    console.log(`model ${version} is a ${role}; the learn role teaches it what it keeps, and publishes it when it has caught up`);
  } finally {
    await stores.close();
  }
};

const list = async (config: Config): Promise<void> => {
  const stores = await openStores(config);
  try {
    const known = await listModels(stores.log);
    if (known.length === 0) console.log('no model has been announced yet');
    for (const { loop, version, role, snapshot, experiences, at, note } of known) {
      const learned = snapshot === 0 ? 'no snapshot yet' : `snapshot ${snapshot}, ${experiences.toLocaleString('en')} experiences`;
      const where = loop === '' ? '' : `  loop ${loop}`;
      console.log(`${version}  ${role.padEnd(10)}  ${learned}, ${new Date(at).toISOString()}${where}${note === '' ? '' : `  (${note})`}`);
    }
  } finally {
    await stores.close();
  }
};
