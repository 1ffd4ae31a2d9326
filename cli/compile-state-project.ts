/** What folding a customer needs of a project. */
import { compileCatalog } from '#decisioning';
import type { Catalog } from '#decisioning';
import { compileFeatures } from '#feature-store';
import { compileRewards } from '#pipeline';
import type { StateProject } from '#pipeline';
import type { Project } from '#project';

/** Throws with every fault of features, catalog or rewards. */
export const compileStateProject = (project: Project): StateProject & { readonly catalog: Catalog } => {
  const catalog = compileCatalog(project);
  const groups = new Map(catalog.actions.map((action) => [action.id, action.group]));
  return {
    catalog,
    featureSet: compileFeatures(project),
    rewards: compileRewards(project),
    actionGroup: (actionId) => groups.get(actionId) ?? null,
  };
};
