/** Logged decisions by configuration: rows from the warehouse, and what their actions were from the catalogs that decided. */
import { compileCatalog } from '#decisioning';
import { createLoggedDecisions } from '#models';
import type { LoggedDecisions } from '#models';
import { loadProject, unpackProject } from '#project';
import { readLoggedRows } from '#warehouse';
import type { Config } from './config.ts';
import { openStores } from './open-stores.ts';
import { openConfiguredWarehouse } from './open-warehouse.ts';

export interface OpenLoggedDecisions {
  readonly logged: LoggedDecisions;
  close(): Promise<void>;
}

/** @param onLeftOut told of decisions whose catalog nobody keeps any more */
export const openLoggedDecisions = async (config: Config, onLeftOut: (decisions: number) => void): Promise<OpenLoggedDecisions> => {
  const current = loadProject(config.catalogDir);
  const stores = await openStores(config);
  const warehouse = openConfiguredWarehouse(config);
  const logged = createLoggedDecisions({
    rows: readLoggedRows(warehouse),
    async profiles(version) {
      const bytes = version === current.version ? null : await stores.store.blobs.find(`catalog/${version}`);
      if (version !== current.version && bytes === null) return null;
      const { actions } = compileCatalog(bytes === null ? current : unpackProject(bytes));
      const profiles = new Map(actions.map((action) => [action.id, action.profile]));
      return (actionId) => profiles.get(actionId) ?? null;
    },
    onLeftOut,
  });
  return {
    logged,
    async close() {
      await warehouse.close();
      await stores.close();
    },
  };
};
