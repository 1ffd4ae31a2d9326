/** The telco project with every action worth the same and without the business's hand on the scales, so that regret is acceptance alone. */
import { parse, stringify } from 'yaml';
import { createProject } from '#project';
import type { Project } from '#project';

export const equalWorth = (project: Project): Project => {
  const files = new Map(project.files);
  for (const [path, text] of files) {
    if (path.startsWith('actions/')) {
      const file = parse(text) as { actions: Record<string, unknown>[] };
      for (const action of file.actions) {
        action['value'] = 1;
        delete action['explore'];
        delete action['mandatory'];
      }
      files.set(path, stringify(file));
    }
    if (path === 'policies.yaml') {
      const file = parse(text) as Record<string, unknown>;
      file['levers'] = [];
      file['contextWeights'] = [];
      files.set(path, stringify(file));
    }
  }
  return createProject(files);
};
