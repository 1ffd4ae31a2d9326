/** Logged decisions: rows from the warehouse, and what their actions were from the catalogs that decided. */
import { compileCatalog } from '#decisioning';
import type { Catalog } from '#decisioning';
import type { FeatureStore } from '#feature-store';
import { createLoggedDecisions } from '#models';
import type { LoggedDecisions } from '#models';
import { loadProject, unpackProject } from '#project';
import type { Project } from '#project';
import { readLoggedRows } from '#warehouse';
import type { Warehouse } from '#warehouse';
import type { Config } from './config.ts';
import { openStores } from './open-stores.ts';
import { openConfiguredWarehouse } from './open-warehouse.ts';

export interface OpenLoggedDecisions {
  readonly logged: LoggedDecisions;
  close(): Promise<void>;
}

/** @param onLeftOut told of decisions whose catalog nobody keeps any more */
export const openLoggedDecisions = async (config: Config, onLeftOut: (decisions: number) => void): Promise<OpenLoggedDecisions> => {
  const project = loadProject(config.catalogDir);
  const stores = await openStores(config);
  const warehouse = openConfiguredWarehouse(config);
  return {
    logged: loggedDecisionsOf({ warehouse, blobs: stores.store.blobs, project, onLeftOut }),
    async close() {
      await warehouse.close();
      await stores.close();
    },
  };
};

export interface LoggedDecisionsOf {
  readonly warehouse: Warehouse;
  readonly blobs: FeatureStore['blobs'];
  /** The project in force; others are found by their version. */
  readonly project: Project;
  readonly onLeftOut?: (decisions: number) => void;
}

/** Where warehouse and stores are open already. */
export const loggedDecisionsOf = ({ warehouse, blobs, project, onLeftOut }: LoggedDecisionsOf): LoggedDecisions =>
  createLoggedDecisions({
    rows: readLoggedRows(warehouse),
    async profiles(version) {
      const catalog = await catalogOf(version, project, blobs);
      const profiles = new Map(catalog?.actions.map((action) => [action.id, action.profile]));
      return catalog === null ? null : (actionId) => profiles.get(actionId) ?? null;
    },
    ...(onLeftOut === undefined ? {} : { onLeftOut }),
  });

const catalogOf = async (version: string, project: Project, blobs: FeatureStore['blobs']): Promise<Catalog | null> => {
  if (version === project.version) return compileCatalog(project);
  const bytes = await blobs.find(`catalog/${version}`);
  return bytes === null ? null : compileCatalog(unpackProject(bytes));
};
