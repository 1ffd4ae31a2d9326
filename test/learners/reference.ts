/** A learner that never died: it reads the whole log in one go, in this process, with a feature store of its own. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TOPICS } from '#contracts';
import { compileCatalog } from '#decisioning';
import type { EventLog } from '#event-log';
import { compileFeatures, openLmdbFeatureStore } from '#feature-store';
import { compileEncoder, createLearner, genericEncoder, restoreLearner } from '#models';
import { SILENT, createLearnRole } from '#pipeline';
import { loadProject, personalNamesOf } from '#project';
import { statisticsOfHome } from './statistics.ts';
import type { Statistics } from './statistics.ts';

const TELCO = new URL('../../catalog/telco', import.meta.url).pathname;

/** Its snapshots would be heard by others on the log: only for when they are all done. */
export const learnInOneGo = async (log: EventLog, dir: string, catalogDir = TELCO): Promise<Statistics> => {
  const project = loadProject(catalogDir);
  const featureSet = compileFeatures(project);
  const profiles = new Map(compileCatalog(project).actions.map((action) => [action.id, action.profile]));
  const store = await openLmdbFeatureStore({ dir: join(dir, 'store'), partitions: log.partitions });
  const role = createLearnRole({
    log,
    store,
    dir: join(dir, 'learner'),
    groupOf: ({ id }) => `learn-reference-${id}`,
    createLearner: (loop) => createLearner({ loop, encoder: loop === '' ? compileEncoder(project) : genericEncoder() }),
    restoreLearner,
    featureSet: () => featureSet,
    personal: () => personalNamesOf(project),
    profiles: async () => (actionId) => profiles.get(actionId) ?? null,
    clock: Date.now,
    logger: SILENT,
  });
  let rewards = 0;
  for (let partition = 0; partition < log.partitions; partition++) {
    const { first, next } = await log.offsets(TOPICS.rewards, partition);
    for (let at = first; at < next;) {
      const records = await log.read(TOPICS.rewards, partition, at, 5_000);
      if (records.length === 0) break;
      rewards += records.length;
      at = records.at(-1)!.offset + 1;
    }
  }
  await role.start();
  while (role.metrics()['rewards']! < rewards) await delay(50);
  await role.stop();
  await store.close();
  return statisticsOfHome(join(dir, 'learner'));
};
