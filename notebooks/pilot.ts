/** The simulated pilot that notebooks and Python tests read: its data directory, made when it is not there yet, and a system on it. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { freePort } from '../test/free-port.ts';
import { startSystem } from '../test/system.ts';

const DATA_DIR = resolve(import.meta.dirname, 'data');

export interface Pilot {
  /** For whoever speaks to it: the variables of the environment that name it. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Of PILOT_DECISIONS decisions, where that is set. Throws when the history cannot be made. */
export const makeHistory = (): void => {
  if (existsSync(join(DATA_DIR, 'simulated.json'))) return;
  console.log('making the simulated pilot (a minute or two)');
  const size = process.env['PILOT_DECISIONS'];
  const args = [join(import.meta.dirname, 'simulate-history.ts'), ...(size === undefined ? [] : ['--decisions', size])];
  const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Error('the simulated pilot could not be made');
};

/** `attune up` on the history. @param ports absent: free ones */
export const startPilot = async (ports?: { readonly api: number; readonly warehouse: number }): Promise<Pilot> => {
  makeHistory();
  const [api, warehouse] = ports === undefined ? [await freePort(), await freePort()] : [ports.api, ports.warehouse];
  const catalog = join(DATA_DIR, 'catalog');
  const system = await startSystem({ dataDir: DATA_DIR, port: api, warehousePort: warehouse, env: { ATTUNE_CATALOG: catalog } });
  return {
    env: {
      ATTUNE_DATA_DIR: DATA_DIR,
      ATTUNE_CATALOG: catalog,
      ATTUNE_PORT: String(api),
      ATTUNE_WAREHOUSE_PORT: String(warehouse),
    },
    stop: () => system.stop(),
  };
};
