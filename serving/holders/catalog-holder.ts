/** The catalog in force, reloaded without a restart; a bad one never replaces a good one. */
import { watch, type FSWatcher } from 'node:fs';
import { TOPICS, modelCodec, shardOf, type ModelRecord } from '#contracts';
import { compileCatalog, type Catalog } from '#decisioning';
import type { EventLog } from '#event-log';
import { compileFeatures, type FeatureSet, type FeatureStore } from '#feature-store';
import { compileEventTypes, loadProject, packProject, unpackProject, type EventTypes, type Project } from '#project';
import { outcomeNamesOf } from './outcome-names.ts';

/** All that serving compiles from one project. */
export interface CompiledProject {
  readonly project: Project;
  readonly catalog: Catalog;
  readonly featureSet: FeatureSet;
  readonly eventTypes: EventTypes;
  readonly outcomeNames: ReadonlySet<string>;
}

export const compileProject = (project: Project): CompiledProject => ({
  project,
  catalog: compileCatalog(project),
  featureSet: compileFeatures(project),
  eventTypes: compileEventTypes(project),
  outcomeNames: outcomeNamesOf(project),
});

export interface CatalogHolder {
  current(): CompiledProject;
  /** A catalog that decided once, by its version; null when it is nowhere. */
  byVersion(version: string): Promise<CompiledProject | null>;
  /** Takes the project's folder as it is now. Rejects with every fault, and what was in force stays. */
  reload(): Promise<CompiledProject>;
  stop(): void;
}

export interface CatalogHolderOptions {
  readonly log: EventLog;
  readonly store: FeatureStore;
  readonly dir: string;
  readonly watch: boolean;
  readonly nowMs: () => number;
  readonly onReloaded: (version: string) => void;
  readonly onFault: (error: unknown) => void;
}

/** Catalogs are announced on attune.models in a loop of their own, as artifacts of no role. */
export const CATALOG_LOOP = '@catalog';

const SETTLE_MS = 150;

export const openCatalogHolder = async (options: CatalogHolderOptions): Promise<CatalogHolder> => {
  const known = new Map<string, CompiledProject>();
  let current = compileProject(loadProject(options.dir));
  await keep(options, current.project);
  known.set(current.project.version, current);

  const reload = async (): Promise<CompiledProject> => {
    const project = loadProject(options.dir);
    if (project.version === current.project.version) return current;
    const compiled = known.get(project.version) ?? compileProject(project);
    await keep(options, project);
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
    stop: () => watcher?.close(),
  };
};

/** Stored by hash before its first decision, so that a receipt never names a catalog that is lost. */
const keep = async ({ log, store, nowMs }: CatalogHolderOptions, project: Project): Promise<void> => {
  if ((await findBlob(log, project.version)) !== null) return;
  const blob = await store.blobs.put(packProject(project));
  const record: ModelRecord = {
    loop: CATALOG_LOOP,
    version: project.version,
    snapshot: 0,
    role: 'retired',
    blob,
    at: nowMs(),
    experiences: 0,
    watermark: 0,
    kept: true,
    note: 'catalog',
  };
  const key = Buffer.from(`${CATALOG_LOOP}/${project.version}`);
  await log.append([{ topic: TOPICS.models, shard: shardOf(CATALOG_LOOP), key, value: modelCodec.encode(record) }]);
};

const findKept = async ({ log, store }: CatalogHolderOptions, version: string): Promise<Project | null> => {
  const blob = await findBlob(log, version);
  const bytes = blob === null ? null : await store.blobs.get(blob);
  return bytes === null ? null : unpackProject(bytes);
};

/** Walks the compacted partition: rare (a receipt older than this process), and short. */
const findBlob = async (log: EventLog, version: string): Promise<string | null> => {
  const partition = shardOf(CATALOG_LOOP) % log.partitions;
  const { first, next } = await log.offsets(TOPICS.models, partition);
  const key = Buffer.from(`${CATALOG_LOOP}/${version}`);
  for (let offset = first; offset < next; ) {
    const records = await log.read(TOPICS.models, partition, offset, 500);
    if (records.length === 0) return null;
    for (const record of records) if (record.key !== null && key.equals(record.key)) return modelCodec.decode(record.value).blob;
    offset = records.at(-1)!.offset + 1;
  }
  return null;
};

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
