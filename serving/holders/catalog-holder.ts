/** The catalog in force, reloaded without a restart; a bad one never replaces a good one. */
import { watch, type FSWatcher } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { AttuneError } from '#contracts';
import { compileCatalog, compileSegments, compileTriggers, describeCauses, type Catalog, type DescribedCause } from '#decisioning';
import { compileFeatures, publishFeatureSet, type FeatureSet, type FeatureStore } from '#feature-store';
import {
  compileChannels,
  compileEventTypes,
  loadProject,
  packProject,
  unpackProject,
  type Channels,
  type EventTypes,
  type Project,
} from '#project';
import { outcomeNamesOf } from './outcome-names.ts';

/** All that serving compiles from one project. */
export interface CompiledProject {
  readonly project: Project;
  readonly catalog: Catalog;
  readonly featureSet: FeatureSet;
  readonly eventTypes: EventTypes;
  /** On which Attune itself delivers. */
  readonly channels: Channels;
  readonly outcomeNames: ReadonlySet<string>;
  /** Why messages are sent, by the cause as receipts say it. */
  readonly causes: ReadonlyMap<string, DescribedCause>;
}

export const compileProject = (project: Project): CompiledProject => {
  const catalog = compileCatalog(project);
  const eventTypes = compileEventTypes(project);
  // The pipeline's, and refused here as well: a project with a fault never replaces a good one.
  const causes = describeCauses(compileTriggers(project, catalog, eventTypes), compileSegments(project, catalog));
  const channels = compileChannels(project);
  return { project, catalog, featureSet: compileFeatures(project), eventTypes, channels, outcomeNames: outcomeNamesOf(project), causes };
};

export interface CatalogHolder {
  current(): CompiledProject;
  /** A catalog that decided once, by its version; null when it is nowhere. */
  byVersion(version: string): Promise<CompiledProject | null>;
  /** Takes the project's folder as it is now. Rejects with every fault, and what was in force stays. */
  reload(): Promise<CompiledProject>;
  stop(): void;
}

export interface CatalogHolderOptions {
  readonly store: FeatureStore;
  readonly dir: string;
  readonly watch: boolean;
  readonly onReloaded: (version: string) => void;
  readonly onFault: (error: unknown) => void;
}

const SETTLE_MS = 150;
const RETRY_MS = 1_000;

export const openCatalogHolder = async (options: CatalogHolderOptions): Promise<CatalogHolder> => {
  const known = new Map<string, CompiledProject>();
  let current = compileProject(loadProject(options.dir));
  const keeping = new AbortController();
  await keep(options, current).catch((error: unknown) => {
    if (!isAway(error)) throw error;
    void keepWhenThere(options, current, keeping.signal);
  });
  known.set(current.project.version, current);

  const reload = async (): Promise<CompiledProject> => {
    const project = loadProject(options.dir);
    if (project.version === current.project.version) return current;
    const compiled = known.get(project.version) ?? compileProject(project);
    await keep(options, compiled);
    known.set(project.version, compiled);
    current = compiled;
    options.onReloaded(project.version);
    return compiled;
  };

  const watcher = options.watch ? watchFolder(options.dir, () => void reload().catch(options.onFault), options.onFault) : null;

  return {
    current: () => current,
    async byVersion(version) {
      const compiled = known.get(version);
      if (compiled !== undefined) return compiled;
      const project = await findKept(options, version);
      if (project === null) return null;
      const old = compileProject(project);
      known.set(version, old);
      return old;
    },
    reload,
    stop: () => {
      keeping.abort();
      watcher?.close();
    },
  };
};

/** Stored under its version before its first decision, so that a receipt never names a catalog or features that are lost. */
const keep = async ({ store }: CatalogHolderOptions, { project, featureSet }: CompiledProject): Promise<void> => {
  const { blobs } = store;
  if ((await blobs.find(blobName(project.version))) === null) await blobs.put(packProject(project), blobName(project.version));
  await publishFeatureSet(blobs, featureSet);
};

/** A process that starts while the store is away decides all the same; what dies before the store is back has receipts whose catalog only its folder has. */
const keepWhenThere = async (options: CatalogHolderOptions, compiled: CompiledProject, signal: AbortSignal): Promise<void> => {
  for (;;) {
    await delay(RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      return await keep(options, compiled);
    } catch (error) {
      if (!isAway(error)) return options.onFault(error);
    }
  }
};

const isAway = (error: unknown): boolean => error instanceof AttuneError && error.retriable;

const findKept = async ({ store }: CatalogHolderOptions, version: string): Promise<Project | null> => {
  const bytes = await store.blobs.find(blobName(version));
  return bytes === null ? null : unpackProject(bytes);
};

const blobName = (version: string): string => `catalog/${version}`;

/** Editors write in several steps: the folder is read once it has settled. */
const watchFolder = (dir: string, onSettled: () => void, onFault: (error: unknown) => void): FSWatcher => {
  let timer: NodeJS.Timeout | undefined;
  const watcher = watch(dir, { recursive: true, persistent: false }, () => {
    clearTimeout(timer);
    timer = setTimeout(onSettled, SETTLE_MS);
    timer.unref();
  });
  watcher.on('error', onFault);
  watcher.on('close', () => clearTimeout(timer));
  return watcher;
};
