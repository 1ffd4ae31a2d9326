/** Logged decisions of the configured warehouse, with the profiles of the catalogs that decided. */
import { compileCatalog } from '#decisioning';
import type { Catalog } from '#decisioning';
import type { FeatureStore } from '#feature-store';
import { createLoggedDecisions } from '#models';
import type { LoggedDecisions } from '#models';
import { unpackProject } from '#project';
import type { Project } from '#project';
import { readLoggedRows } from '#warehouse';
import type { Warehouse } from '#warehouse';

export interface LoggedDecisionsOfCli {
  readonly warehouse: Warehouse;
  readonly blobs: FeatureStore['blobs'];
  /** The project in force; others are found by their version. */
  readonly project: Project;
  readonly onLeftOut?: (decisions: number) => void;
}

export const openLoggedDecisions = ({ warehouse, blobs, project, onLeftOut }: LoggedDecisionsOfCli): LoggedDecisions =>
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
