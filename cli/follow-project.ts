/** Follows the project's folder: a valid change is handed on, a faulty one is told and the good one stays. */
import { watch } from 'node:fs';
import { loadProject } from '#project';
import type { Project } from '#project';

/** Editors write in several steps. */
const SETTLE_MS = 250;

export const followProject = (options: {
  readonly dir: string;
  readonly current: string;
  readonly onChange: (project: Project) => Promise<void>;
  readonly onFault: (error: unknown) => void;
}): { stop(): void } => {
  let version = options.current;
  let settled: NodeJS.Timeout | undefined;
  const take = async (): Promise<void> => {
    try {
      const project = loadProject(options.dir);
      if (project.version === version) return;
      await options.onChange(project);
      version = project.version;
    } catch (error) {
      options.onFault(error);
    }
  };
  const watcher = watch(options.dir, { recursive: true }, () => {
    clearTimeout(settled);
    settled = setTimeout(() => void take(), SETTLE_MS);
  });
  watcher.on('error', options.onFault);
  return {
    stop() {
      clearTimeout(settled);
      watcher.close();
    },
  };
};
