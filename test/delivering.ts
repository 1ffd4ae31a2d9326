/** A process that delivers from a data directory, for tests that kill it: `node delivering.ts <dir> <aheadMs> <channels>`; the clock is ahead by so much. */
import { join } from 'node:path';
import { openAdapter } from '../channels/index.ts';
import { openLmdbLog } from '../event-log/index.ts';
import { compileFeatures, openLmdbFeatureStore } from '../feature-store/index.ts';
import { SILENT, createDeliverRole } from '../pipeline/index.ts';
import { loadProject } from '../project/index.ts';
import type { ChannelDefinition } from '../project/index.ts';

const [dir, aheadText, channelsText] = process.argv.slice(2) as [string, string, string];
const clock = (): number => Date.now() + Number(aheadText);
const definitions = JSON.parse(channelsText) as ChannelDefinition[];
const featureSet = compileFeatures(loadProject(join(import.meta.dirname, '../catalog/telco')));
const log = await openLmdbLog({ dir: join(dir, 'log'), partitions: 2 });
const store = await openLmdbFeatureStore({ dir: join(dir, 'store'), partitions: 2 });
const deps = { env: process.env, dataDir: dir, clock, allowPrivate: true };
const role = createDeliverRole({
  log,
  store,
  featureSet: () => featureSet,
  channels: definitions.map((definition) => ({ definition, adapter: openAdapter(definition, deps) })),
  clock,
  random: () => 0.5,
  logger: SILENT,
});
await role.start();
