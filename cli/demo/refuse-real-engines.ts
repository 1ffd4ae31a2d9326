/** The demo's customers are made up: they do not get into engines that may hold real ones without a question. */
import { AttuneError } from '#contracts';
import type { Config } from '../config.ts';
import { variablesOfServers } from '../engines.ts';

/** Throws `config.refused`. */
export const refuseRealEngines = (config: Config, force: boolean): void => {
  const names = variablesOfServers(config);
  if (names.length === 0 || force) return;
  throw new AttuneError(
    'config.refused',
    `the demo would send thousands of simulated customers into the engines that ${names.join(', ')} ${names.length === 1 ? 'names' : 'name'}; start without it (--no-demo), or add --force if they may be there`,
  );
};
