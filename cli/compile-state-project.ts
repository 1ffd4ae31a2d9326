/** What folding a customer needs of a project, and reaching out to one. */
import { compileCatalog, compileSegments, compileTriggers } from '#decisioning';
import { compileFeatures } from '#feature-store';
import { compileRewards, createOutreachRules } from '#pipeline';
import type { OutreachCatalog, OutreachRules, StateProject } from '#pipeline';
import { compileChannels, compileEventTypes } from '#project';
import type { Project } from '#project';

/** Throws with every fault of features, catalog, channels, triggers, segments or rewards. */
export const compileStateProject = (project: Project): StateProject & OutreachCatalog & { readonly outreach: OutreachRules } => {
  const catalog = compileCatalog(project);
  const groups = new Map(catalog.actions.map((action) => [action.id, action.group]));
  const eventTypes = compileEventTypes(project);
  const parts: OutreachCatalog = {
    catalog,
    channels: compileChannels(project),
    triggers: compileTriggers(project, catalog, eventTypes),
    segments: compileSegments(project, catalog),
    eventTypes,
    featureSet: compileFeatures(project),
  };
  return {
    ...parts,
    outreach: createOutreachRules(parts),
    rewards: compileRewards(project),
    actionGroup: (actionId) => groups.get(actionId) ?? null,
  };
};
