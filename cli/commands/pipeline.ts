/** `attune pipeline`: the stream roles, all of them or those named by --roles. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { AttuneError } from '#contracts';
import { compileCatalog } from '#decisioning';
import { compileFeatures, loadFeatureSet, viewOfReceipt } from '#feature-store';
import type { FeatureSet } from '#feature-store';
import { createLearnRole, createRecordRole, createRetentionTask, createStateRole, compileRewards } from '#pipeline';
import type { Role, StateProject } from '#pipeline';
import { compileEventTypes, loadProject, unpackProject } from '#project';
import type { EventTypes, Project } from '#project';
import type { Config } from '../config.ts';
import { followProject } from '../follow-project.ts';
import { openStores } from '../open-stores.ts';
import { openConfiguredWarehouse } from '../open-warehouse.ts';
import { serveMetrics } from '../pipeline-metrics.ts';
import { runRole } from '../run-role.ts';

const ROLES = ['state', 'learn', 'record'] as const;

interface PipelineProject extends StateProject {
  readonly project: Project;
  readonly eventTypes: EventTypes;
  readonly personal: ReadonlySet<string>;
}

export const pipeline = (config: Config, args: readonly string[]): Promise<void> =>
  runRole('pipeline', config.logLevel, async (logger) => {
    const wanted = parseRoles(args);
    let current = compilePipelineProject(loadProject(config.catalogDir));
    const { log, store, close } = await openStores(config);
    const warehouse = openConfiguredWarehouse(config);

    const state = createStateRole({ log, store, project: current, clock: Date.now, logger });
    const learn = createLearnRole({ log, store, project: current.project, clock: Date.now, logger, dir: join(config.dataDir, 'learner') });
    const record = createRecordRole({
      log,
      warehouse,
      clock: Date.now,
      logger,
      eventTypes: () => current.eventTypes,
      isPersonal: (name) => current.personal.has(name),
      featureNames: async (fingerprint) => (await loadFeatureSet(store.blobs, current.featureSet, fingerprint))?.names ?? null,
      async catalogActions(version) {
        const bytes = version === current.project.version ? null : await store.blobs.find(`catalog/${version}`);
        if (bytes !== null) return actionIdsOf(unpackProject(bytes));
        return version === current.project.version ? actionIdsOf(current.project) : null;
      },
      async attributesOf(decision) {
        await loadFeatureSet(store.blobs, current.featureSet, decision.featureSet);
        return viewOfReceipt(decision, current.featureSet).attributes;
      },
    });
    const retention = createRetentionTask({ log, clock: Date.now, logger, retentionDays: config.logRetentionDays });
    const all: Readonly<Record<(typeof ROLES)[number], Role>> = { state, learn, record };
    const roles: readonly Role[] = [...wanted.map((name) => all[name]), retention];
    for (const role of roles) await role.start();

    const follower = followProject({
      dir: config.catalogDir,
      current: current.project.version,
      async onChange(project) {
        const next = compilePipelineProject(project);
        if (wanted.includes('state')) await state.replaceProject(next);
        current = next;
        logger.info({ catalogVersion: project.version }, 'the catalog was reloaded');
      },
      onFault: (error) => logger.error({ err: error }, 'the catalog was not taken; what was in force stays'),
    });
    const metrics = await serveMetrics(roles, config.pipelinePort);
    return {
      detail: `roles ${wanted.join(', ')}; metrics at http://127.0.0.1:${metrics.port}/metrics`,
      port: metrics.port,
      async stop() {
        follower.stop();
        // State first: what it still appends, learn and record can still take.
        for (const role of roles) await role.stop();
        await metrics.stop();
        await warehouse.close();
        await close();
      },
    };
  });

const compilePipelineProject = (project: Project): PipelineProject => {
  const catalog = compileCatalog(project);
  const groups = new Map(catalog.actions.map((action) => [action.id, action.group]));
  const eventTypes = compileEventTypes(project);
  const featureSet: FeatureSet = compileFeatures(project);
  return {
    project,
    eventTypes,
    featureSet,
    rewards: compileRewards(project),
    actionGroup: (actionId) => groups.get(actionId) ?? null,
    personal: new Set([...featureSet.personalAttributes, ...eventTypes.names.flatMap((name) => eventTypes.get(name)?.personalFields ?? [])]),
  };
};

const actionIdsOf = (project: Project): readonly string[] => compileCatalog(project).actions.map((action) => action.id);

const parseRoles = (args: readonly string[]): readonly (typeof ROLES)[number][] => {
  const { values } = parseArgs({ args: [...args], options: { roles: { type: 'string', default: ROLES.join(',') } } });
  const named = values.roles.split(',').map((name) => name.trim());
  const unknown = named.filter((name) => !(ROLES as readonly string[]).includes(name));
  if (unknown.length > 0) throw new AttuneError('config.invalid', `there is no role ${unknown.join(', ')}; roles are ${ROLES.join(', ')}`);
  return ROLES.filter((role) => named.includes(role));
};
