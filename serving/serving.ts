/** The API as one object: opens what follows the log, registers the routes, warms up, drains. */
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { createCustomerKey, within, type Clock } from '#contracts';
import { followControls, type EventLog, type Outbox } from '#event-log';
import { createControlsKeeper, watchRebuild, type FeatureStore } from '#feature-store';
import { createAuthorise } from './auth/authorise.ts';
import type { ApiKey } from './auth/api-keys.ts';
import type { ServingContext } from './context.ts';
import { createDecider } from './deciding/decider.ts';
import { createShadow } from './deciding/shadow.ts';
import { createSubjects } from './deciding/subject.ts';
import { openCatalogHolder } from './holders/catalog-holder.ts';
import { followErasures } from './holders/erasures-holder.ts';
import { followModels, type OpenVersion } from './holders/models-holder.ts';
import { createHttpServer } from './http-server.ts';
import { createMetrics } from './metrics/metrics.ts';
import { addOpenApi } from './open-api.ts';
import type { JudgePromotion } from './promotion/judge.ts';
import { createAppender } from './receipts/append-in-time.ts';
import { createReceiptFinder, type ReceiptArchive } from './receipts/find-receipt.ts';
import { addChannelsRoute } from './routes/channels-route.ts';
import { addControlsRoutes } from './routes/controls-routes.ts';
import { addCustomersRoutes } from './routes/customers-routes.ts';
import { addDecisionsRoute } from './routes/decisions-route.ts';
import { addDeliveryReceiptsRoute } from './routes/delivery-receipts-route.ts';
import { addEventsRoute } from './routes/events-route.ts';
import { addHealthRoutes } from './routes/health-routes.ts';
import { addModelsRoutes } from './routes/models-routes.ts';
import { addOutcomesRoute } from './routes/outcomes-route.ts';
import { addReceiptsRoutes } from './routes/receipts-routes.ts';
import { addCommunicationApi } from './tmf/communication/communication-api.ts';
import { addRecommendationApi } from './tmf/recommendation/recommendation-api.ts';

export interface ServingConfig {
  /** For reading and deciding; past it an answer is degraded. Default 50. */
  readonly deadlineMs: number;
  /** For the durable append; past it 503. Default 250; 1,000 with an outbox, which turns to the disk long before. */
  readonly appendBoundMs: number;
  /** How long a requestId makes a retry the same decision. Default 24 h. */
  readonly requestTtlMs: number;
  /** How long readiness waits for controls, erasures and models of a log that does not answer. Default 5 s. */
  readonly followPatienceMs: number;
  /** How long readiness waits for a model before it goes on with priors. Default 5 s. */
  readonly modelPatienceMs: number;
  /** Of the decisions, those that challengers decide again after the answer has left. Default 0.05. */
  readonly shadowShare: number;
  /** Follow changes of the catalog's folder. Default true. */
  readonly watchCatalog: boolean;
}

export interface ServingDeps {
  /** One with an outbox goes on accepting while the log behind it is away. */
  readonly log: EventLog & { readonly outbox?: Outbox };
  readonly store: FeatureStore;
  /** Receipts older than the log's retention; null without a warehouse. */
  readonly archive: ReceiptArchive | null;
  /** ATTUNE_CATALOG: the project's folder. */
  readonly catalogDir: string;
  /** ATTUNE_ID_KEY */
  readonly idKey: string;
  /** None: open, for loopback only (`refusalToOpen`). */
  readonly apiKeys: readonly ApiKey[];
  /** Secrets that channels.yaml names, for delivery receipts. Default: none. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly logger?: FastifyBaseLogger | null;
  readonly openVersion?: OpenVersion;
  /** Judges promotions in a process of its own. Default: none, and only `force` promotes. */
  readonly judge?: JudgePromotion | null;
  readonly config?: Partial<ServingConfig>;
  /** Null (the default): this process is alone behind its port. */
  readonly siblings?: Siblings | null;
}

/** Other processes behind the same port: whichever is asked for /metrics tells those of all. */
export interface Siblings {
  /** Names this process in each metric. */
  readonly worker: string;
  /** @param own the metrics of this process, for whenever they are wanted @returns gathers those of all */
  share(own: () => Promise<string>): () => Promise<string>;
}

export interface Serving {
  /** Not yet listening: `app.listen({ host, port })`. */
  readonly app: FastifyInstance;
  /** Resolves when warm: /readyz answers 200 from then on. */
  readonly ready: Promise<void>;
  /** Takes the catalog's folder as it is now; rejects with its faults, and the old one stays. Resolves to the version in force. */
  reloadCatalog(): Promise<string>;
  /** Answers what is in hand, waits for appends, stops following. Leaves log and store open. Safe to call twice. */
  close(): Promise<void>;
}

const APPEND_BOUND_WITH_OUTBOX_MS = 1_000;
const DEFAULTS: ServingConfig = {
  deadlineMs: 50,
  appendBoundMs: 250,
  requestTtlMs: 86_400_000,
  followPatienceMs: 5_000,
  modelPatienceMs: 5_000,
  shadowShare: 0.05,
  watchCatalog: true,
};

export const createServing = async (deps: ServingDeps): Promise<Serving> => {
  const { log, store, clock } = deps;
  const outbox = log.outbox ?? null;
  const config = {
    ...DEFAULTS,
    ...(outbox === null ? {} : { appendBoundMs: APPEND_BOUND_WITH_OUTBOX_MS }),
    ...deps.config,
  };
  const app = createHttpServer({ logger: deps.logger ?? null, onRefused: (status) => metrics.refused(status) });

  const fault = (what: 'catalog' | 'model' | 'record') => (error: unknown) => {
    metrics.faulted(what);
    app.log.error({ err: error }, `a ${what} was not taken; what was in force stays`);
  };
  const metrics = createMetrics({
    models: () =>
      models.serving().map(({ scorer, at }) => ({
        loop: scorer.loop,
        version: scorer.version,
        snapshot: scorer.snapshot,
        ageSeconds: (clock() - at) / 1_000,
      })),
    shadow: () => shadow.report(),
    controlsVersion: () => controls.current().version,
    outbox: outbox === null ? null : () => outbox.status(),
    clock,
  });
  const ownMetrics = (): Promise<string> => metrics.registry.metrics();
  const metricsText = deps.siblings?.share(ownMetrics) ?? ownMetrics;
  if (deps.siblings) metrics.registry.setDefaultLabels({ worker: deps.siblings.worker });
  const catalog = await openCatalogHolder({
    store,
    dir: deps.catalogDir,
    watch: config.watchCatalog,
    onReloaded: (version) => app.log.info({ catalogVersion: version }, 'the catalog was reloaded'),
    onFault: fault('catalog'),
  });
  const rebuild = watchRebuild(store.leases, {
    onChange: (underway) =>
      app.log.warn(
        underway
          ? 'the feature store is being rebuilt, or a rebuild was broken off: decisions are made without customers’ states'
          : 'the feature store is whole again',
      ),
    onAway: (error) =>
      app.log.warn(
        `the feature store does not answer: decisions are made without customers’ states (${error instanceof Error ? error.message : String(error)})`,
      ),
    onBack: () => {
      app.log.info('the feature store answers again');
      models.retry();
    },
  });
  const appender = createAppender({
    log,
    boundMs: config.appendBoundMs,
    monotonicMs: () => performance.now(),
    onAppended: (tookMs, records) => metrics.appended(tookMs, records),
  });
  const controls = followControls({ log, onUnreadable: fault('record'), append: (records) => appender.append(records) });
  const erasures = followErasures(log, fault('record'));
  const models = followModels({ log, blobs: store.blobs, openVersion: deps.openVersion ?? openVersionLazily, onFault: fault('model') });
  const keepControls = createControlsKeeper(store.blobs, fault('record'));
  controls.onChange((control) => {
    models.control(control);
    void keepControls(control);
  });
  // The log may have told of those in force already.
  models.control(controls.current());
  const shadow = createShadow({ models, share: config.shadowShare, monotonicMs: () => performance.now() });
  const subjects = createSubjects(createCustomerKey(deps.idKey));
  erasures.onErased((key) => subjects.forget(key));
  const receipts = createReceiptFinder({ log, outbox, archive: deps.archive, clock });
  const logIsAway = (): boolean => outbox?.isInUse() === true;
  const decider = createDecider({
    store,
    rebuild,
    catalog,
    controls,
    erasures,
    models,
    shadow,
    subjects,
    appender,
    receipts,
    metrics,
    clock,
    random: deps.random,
    deadlineMs: config.deadlineMs,
    appendBoundMs: config.appendBoundMs,
    requestTtlMs: config.requestTtlMs,
    logIsAway,
  });
  const context: ServingContext = {
    log,
    store,
    rebuild,
    clock,
    catalog,
    controls,
    keepControls,
    erasures,
    models,
    shadow,
    judge: deps.judge ?? null,
    subjects,
    appender,
    receipts,
    decider,
    metrics,
    readDeadlineMs: config.deadlineMs,
    authorise: createAuthorise(deps.apiKeys),
  };

  let missing: string | null = 'warming up';
  await addOpenApi(app, deps.apiKeys.length > 0);
  app.register(async (routes) => {
    addDecisionsRoute(routes, context);
    addReceiptsRoutes(routes, context);
    addOutcomesRoute(routes, context);
    addEventsRoute(routes, context);
    addDeliveryReceiptsRoute(routes, context, deps.env ?? {});
    addCustomersRoutes(routes, context);
    addModelsRoutes(routes, context);
    addControlsRoutes(routes, context);
    addChannelsRoute(routes, context);
    addCommunicationApi(routes, context, deps.random);
    addRecommendationApi(routes, context);
    addHealthRoutes(routes, {
      readiness: { missing: () => missing, logIsAway, storeIsAway: () => rebuild.isAway() },
      metrics: metricsText,
    });
  });
  await app.ready();

  const warmUp = async (): Promise<void> => {
    await followed();
    await firstModel(() => models.champion('') !== null, config.modelPatienceMs);
    await decider.warmUp();
    missing = null;
  };

  /** A log that is away at the start does not keep a process from deciding by what an earlier one has seen of it. */
  const followed = async (): Promise<void> => {
    const caughtUp = Promise.all([controls.caughtUp, erasures.caughtUp, models.caughtUp]);
    if (outbox === null) return void (await caughtUp);
    if (
      await within(
        config.followPatienceMs,
        caughtUp.then(() => true),
        false,
      )
    )
      return;
    if (!outbox.remembersTopics()) {
      missing = 'the event log has not answered since the start, and the controls in force are not known';
      app.log.warn(`${missing}; decisions are made by priors until it does`);
      await caughtUp;
      return;
    }
    app.log.warn('the event log has not answered since the start: controls, erasures and models are those that were last seen here');
    models.begin();
  };
  const ready = warmUp();
  ready.catch((error: unknown) => {
    missing = 'the warm-up failed; the log of the process says why';
    app.log.error({ err: error }, 'the warm-up failed');
  });

  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    missing = 'closing';
    catalog.stop();
    rebuild.stop();
    await ready.catch(() => undefined);
    await app.close();
    await appender.drain();
    await Promise.all([controls.stop(), erasures.stop(), models.stop()]);
  };

  return {
    app,
    ready,
    reloadCatalog: async () => (await catalog.reload()).project.version,
    close: () => (closing ??= close()),
  };
};

/** TensorFlow.js proves a version once; the process starts without it. */
const openVersionLazily: OpenVersion = async (bytes) => (await import('#models')).openVersion(bytes);

/** A fresh system's learner publishes its first model within seconds; priors serve if it does not. */
const firstModel = async (there: () => boolean, patienceMs: number): Promise<void> => {
  for (const end = performance.now() + patienceMs; !there() && performance.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
