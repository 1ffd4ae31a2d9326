/** `attune rewards [--apply]`: a changed rewards.yaml reaches what was decided before it, from the outcomes in the log. */
import { parseArgs } from 'node:util';
import { recomputeRewards } from '#pipeline';
import { loadProject } from '#project';
import { compileStateProject } from '../compile-state-project.ts';
import type { Config } from '../config.ts';
import { openStores } from '../open-stores.ts';

export const rewards = async (config: Config, args: readonly string[]): Promise<void> => {
  const { values } = parseArgs({ args: [...args], options: { apply: { type: 'boolean', default: false } } });
  const facts = compileStateProject(loadProject(config.catalogDir));
  const stores = await openStores(config);
  try {
    const { judged, changed, outOfReach } = await recomputeRewards({ log: stores.log, facts, nowMs: Date.now(), apply: values.apply });
    const count = (n: number): string => n.toLocaleString('en');
    console.log(`${count(judged)} final rewards judged by today's rewards.yaml: ${count(changed)} are worth something else`);
    if (outOfReach > 0) console.log(`${count(outOfReach)} stay as they are: the log no longer holds their decision`);
    if (changed > 0)
      console.log(
        values.apply
          ? 'revised: learners correct what they hold within seconds, the warehouse shows the newest revision'
          : 'attune rewards --apply revises them',
      );
  } finally {
    await stores.close();
  }
};
