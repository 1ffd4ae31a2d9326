/** `attune pipeline`: the stream roles, all of them or those named by --roles. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Logger } from 'pino';
import { AttuneError } from '#contracts';
import type { Clock } from '#contracts';
import { compileCatalog } from '#decisioning';
import type { Catalog } from '#decisioning';
import { fingerprintOf, loadFeatureSet, viewOfReceipt } from '#feature-store';
import type { FeatureStore } from '#feature-store';
import type { Learner } from '#models';
import { errorSourceOf } from '#models/exploration';
import {
  createLearnRole,
  createNotifyRole,
  createRecordRole,
  createRetentionTask,
  createScrubTask,
  createStateRole,
  groupOfStart,
} from '#pipeline';
import type { IngestProject, OutreachCatalog, Role, StateProject, StateRole } from '#pipeline';
import { loadProject, unpackProject } from '#project';
import type { Project } from '#project';
import { compileStateProject } from '../compile-state-project.ts';
import { openGuard } from '../open-guard.ts';
import { openOutreach } from '../open-outreach.ts';
import type { Config } from '../config.ts';
import { describeLog, describeStore, describeWarehouse } from '../engines.ts';
import { followProject } from '../follow-project.ts';
import { awaitStores } from '../open-stores.ts';
import type { Stores } from '../open-stores.ts';
import { openConfiguredWarehouse } from '../open-warehouse.ts';
import { openPipelineHealth } from '../pipeline-health/pipeline-health.ts';
import { refuseTakenPort } from '../refuse-taken-port.ts';
import { runRole } from '../run-role.ts';
import { snapshotsDir } from '../snapshots.ts';
import { openDeliver } from '../open-deliver.ts';
import { openSegments } from '../open-segments.ts';
import { compileIngestProject, openIngest } from '../sources.ts';

const ROLES = ['ingest', 'state', 'learn', 'record', 'deliver', 'guard', 'segments', 'notify'] as const;
type RoleName = (typeof ROLES)[number];

export interface PipelineProject extends StateProject, OutreachCatalog, IngestProject {
  readonly project: Project;
  readonly catalog: Catalog;
}

/** What the roles share; `project` is the one in force. */
export interface Shared extends Stores {
  readonly config: Config;
  /** Virtual where a history is simulated. */
  readonly clock: Clock;
  readonly logger: Logger;
  readonly project: () => PipelineProject;
}

export const pipeline = (config: Config, args: readonly string[]): Promise<void> =>
  runRole('pipeline', config, async (logger) => {
    const wanted = parseRoles(args);
    let current = compilePipelineProject(loadProject(config.catalogDir));
    await refuseTakenPort({
      host: config.pipelineHost,
      port: config.pipelinePort,
      variable: 'ATTUNE_PIPELINE_PORT',
    });
    const health = await openPipelineHealth({ host: config.pipelineHost, port: config.pipelinePort, logger });
    const stores = await awaitStores(config, logger);
    const shared: Shared = { ...stores, config, clock: Date.now, logger, project: () => current };

    const state = wanted.includes('state') ? createState(shared) : null;
    // State first in both directions: what it still appends when it stops, learn and record can still take.
    const roles: Role[] = state === null ? [] : [state];
    const ingest = wanted.includes('ingest') ? openIngest({ ...shared, project: current }) : null;
    if (ingest !== null) roles.unshift(ingest);
    if (wanted.includes('learn')) roles.push(await createLearn(shared));
    if (wanted.includes('record')) roles.push(createRecord(shared));
    const deliver = wanted.includes('deliver')
      ? openDeliver({ ...shared, featureSet: () => current.featureSet, channels: current.channels })
      : null;
    if (deliver !== null) roles.push(deliver);
    if (wanted.includes('guard'))
      roles.push(openGuard({ log: stores.log, store: stores.store, catalog: () => current.catalog, clock: Date.now, logger }));
    if (wanted.includes('segments')) roles.push(openSegments(shared));
    if (wanted.includes('notify')) roles.push(await createNotify(shared));
    roles.push(createRetentionTask({ log: stores.log, clock: Date.now, logger, retentionDays: config.logRetentionDays }));
    roles.push(createScrubTask({ log: stores.log, root: snapshotsDir(config), logger }));
    for (const role of roles) await role.start();

    const follower = followProject({
      dir: config.catalogDir,
      current: current.project.version,
      async onChange(project) {
        const next = compilePipelineProject(project);
        await ingest?.replaceProject(next);
        await state?.replaceProject(next);
        current = next;
        logger.info({ catalogVersion: project.version }, 'the catalog was reloaded');
      },
      onFault: (error) => logger.error({ err: error }, 'the catalog was not taken; what was in force stays'),
    });
    health.started(roles, stores);
    return {
      detail: `roles ${wanted.join(', ')}; /healthz, /readyz and /metrics at ${config.pipelineHost}:${health.port}; ${describeLog(config)}, ${describeStore(config)}, ${describeWarehouse(config)}`,
      port: health.port,
      async stop() {
        follower.stop();
        for (const role of roles) await role.stop();
        await health.stop();
        await stores.close();
      },
    };
  });

/** Nobody is reached out to before controls are known. */
const createState = ({ log, store, project, clock, logger }: Shared): StateRole => {
  const outreach = openOutreach({ log, store, catalog: project, logger });
  const role = createStateRole({ log, store, project: project(), clock, logger, desk: outreach.desk });
  return {
    ...role,
    async start() {
      await outreach.ready;
      await role.start();
    },
    async stop() {
      await role.stop();
      await outreach.stop();
    },
  };
};

/** Loads the models only where they learn: state and record need no TensorFlow.js. */
export const createLearn = async ({ log, store, project, clock, logger, config }: Shared): Promise<Role> => {
  const { compileEncoder, createDriftWatch, createLearner, createLearnerOf, genericEncoder, restoreLearner } = await import('#models');
  /** Variances travel only where the catalog's policy draws by them. */
  const carrying = (learner: Learner): Learner => {
    const { exploration, ownExploration } = project().catalog;
    learner.carriesVariances = errorSourceOf(learner.loop === '' ? exploration : ownExploration) === 'posterior';
    return learner;
  };
  return createLearnRole({
    log,
    store,
    dir: join(config.dataDir, 'learner'),
    ...(config.kafka !== null && { groupOf: groupOfStart }),
    createLearner: (loop) => carrying(createLearner({ loop, encoder: loop === '' ? compileEncoder(project().project) : genericEncoder() })),
    createLearnerOf: (versionBlob) => carrying(createLearnerOf(versionBlob)),
    restoreLearner: (bytes) => carrying(restoreLearner(bytes)),
    createDriftWatch,
    featureSet: () => project().featureSet,
    personal: () => project().catalog.personal,
    async profiles(version) {
      const catalog = await catalogOf(version, project(), store);
      const profiles = new Map(catalog?.actions.map((action) => [action.id, action.profile]));
      return catalog === null ? null : (actionId) => profiles.get(actionId) ?? null;
    },
    clock,
    logger,
  });
};

export const createRecord = ({ log, store, project, clock, logger, config }: Shared): Role => {
  const warehouse = openConfiguredWarehouse(config);
  const role = createRecordRole({
    log,
    warehouse,
    clock,
    logger,
    eventTypes: () => project().eventTypes,
    isPersonal: (name) => project().catalog.personal.has(name),
    featureNames: async (fingerprint) => (await loadFeatureSet(store.blobs, project().featureSet, fingerprint))?.names ?? null,
    catalogActions: async (version) => (await catalogOf(version, project(), store))?.actions.map((action) => action.id) ?? null,
    async viewOf(decision) {
      const { featureSet } = project();
      await loadFeatureSet(store.blobs, featureSet, decision.featureSet);
      await loadFeatureSet(store.blobs, featureSet, fingerprintOf(decision.state));
      return viewOfReceipt(decision, featureSet);
    },
  });
  return {
    name: role.name,
    start: () => role.start(),
    metrics: () => role.metrics(),
    async stop() {
      await role.stop();
      await warehouse.close();
    },
  };
};

/** Loads the faces of TM Forum's APIs only where somebody is told by them. */
const createNotify = async ({ log, store, project, clock, logger }: Shared): Promise<Role> => {
  const { createCommunicationAnnouncer } = await import('#serving/tmf');
  return createNotifyRole({
    log,
    documents: store.documents,
    clock,
    logger,
    announce: createCommunicationAnnouncer(store.documents, () => project().channels),
    allowPrivate: () => project().channels.callbacks.allowPrivate,
  });
};

/** A catalog that decided once: serving kept it before its first decision. */
const catalogOf = async (version: string, current: PipelineProject, store: FeatureStore): Promise<Catalog | null> => {
  if (version === current.project.version) return current.catalog;
  const bytes = await store.blobs.find(`catalog/${version}`);
  return bytes === null ? null : compileCatalog(unpackProject(bytes));
};

export const compilePipelineProject = (project: Project): PipelineProject => {
  const state = compileStateProject(project);
  const { eventTypes, sources } = compileIngestProject(project);
  return {
    ...state,
    project,
    eventTypes,
    sources,
  };
};

const parseRoles = (args: readonly string[]): readonly RoleName[] => {
  const { values } = parseArgs({ args: [...args], options: { roles: { type: 'string', default: ROLES.join(',') } } });
  const named = values.roles.split(',').map((name) => name.trim());
  const unknown = named.filter((name) => !(ROLES as readonly string[]).includes(name));
  if (unknown.length > 0) throw new AttuneError('config.invalid', `there is no role ${unknown.join(', ')}; roles are ${ROLES.join(', ')}`);
  return ROLES.filter((role) => named.includes(role));
};
