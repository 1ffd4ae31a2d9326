/**
 * `npm run notebooks:data`: a pilot of two weeks at a simulated operator, in a data directory, for the notebooks.
 *
 * The product's own API, roles and stores, in one process and in virtual time: what is asked, decided, learned and recorded is as with
 * `attune up`, but a month takes about a minute, so that attribution windows close and there is a calendar to look at.
 * Options: --dir [notebooks/data], --decisions [6000], --customers [1500], --days [14], --limit [1], --seed [1]; a finished directory is left as it is.
 */
import { appendFileSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import pino from 'pino';
import { DAY_MS, SECOND_MS, TOPICS } from '#contracts';
import { openLmdbLog } from '#event-log';
import { openLmdbFeatureStore } from '#feature-store';
import { createStateRole } from '#pipeline';
import { loadProject } from '#project';
import { createServing } from '#serving';
import { createRandom, createSchedule, createWorld } from '#simulator';
import type { LifeEvent, Response } from '#simulator';
import { startEmbeddedServer } from '#warehouse';
import { compilePipelineProject, createLearn, createRecord } from '../cli/commands/pipeline.ts';
import { readConfig } from '../cli/config.ts';
import { openConfiguredWarehouse } from '../cli/open-warehouse.ts';
import { agreeOnIdKey, openIdKey } from '../cli/id-key.ts';

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: join(import.meta.dirname, 'data') },
    decisions: { type: 'string', default: '6000' },
    customers: { type: 'string', default: '1500' },
    days: { type: 'string', default: '14' },
    limit: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
  },
});
const dir = resolve(values.dir);
const [decisions, customers, days, limit, seed] = [values.decisions, values.customers, values.days, values.limit, values.seed].map(
  Number,
) as [number, number, number, number, number];
/** The world's own calendar: what its customers do does not depend on the day on which this runs. */
const WORLD_START_MS = Date.UTC(2026, 0, 5);
/** Answers still come after the last decision, and the longest window of the catalog (an order within 14 days) closes. */
const AFTERMATH_MS = 15 * DAY_MS;
const LIFE_EVENTS_PER_CUSTOMER_DAY = 0.5;
const EVENTS_OF_ONE_REQUEST = 500;
const LEAST_PROBABILITY = 0.01;
/** Decisions at the same moment. */
const AT_ONCE = 20;

const done = join(dir, 'simulated.json');
if (existsSync(done)) {
  console.log(`${dir} holds a history already; remove it to make another`);
  process.exit(0);
}
rmSync(dir, { recursive: true, force: true });
mkdirSync(dir, { recursive: true, mode: 0o700 });
const beganMs = performance.now();

// Ends this midnight, so that nothing is older than what the stores keep.
const endMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
const startMs = endMs - AFTERMATH_MS - days * DAY_MS;
let nowMs = startMs;
const clock = (): number => nowMs;

// A pilot explores more than the default: at least so much for every action keeps other policies within what the log can evaluate.
const catalogDir = join(dir, 'catalog');
cpSync(join(import.meta.dirname, '../catalog/telco'), catalogDir, { recursive: true });
appendFileSync(
  join(catalogDir, 'policies.yaml'),
  `\n# Of this pilot: every action that may be explored.\nexploration: { floor: ${LEAST_PROBABILITY} }\n`,
);

const logger = pino({ level: 'error' });
const warehouseServer = await startEmbeddedServer({ dir: join(dir, 'warehouse') });
const config = readConfig({ ATTUNE_DATA_DIR: dir, ATTUNE_CATALOG: catalogDir, ATTUNE_WAREHOUSE_PORT: new URL(warehouseServer.url).port });
const log = await openLmdbLog({ dir: join(dir, 'event-log'), partitions: 8, now: clock });
const store = await openLmdbFeatureStore({ dir: join(dir, 'feature-store'), partitions: log.partitions });
await agreeOnIdKey(store.blobs, openIdKey(config));
const project = compilePipelineProject(loadProject(config.catalogDir));
const shared = { log, store, config, clock, logger, project: () => project, close: () => Promise.resolve() };
// The learner's clock goes at its real pace: it publishes and makes checkpoints by the work that they are.
const learnersClock = (): number => Math.round(startMs + performance.now() - beganMs);
// A pilot whose messages the operator sends: Attune reaches out to nobody by itself, and the history has as many decisions as were asked for.
const { featureSet, rewards, actionGroup } = project;
const state = createStateRole({ log, store, project: { featureSet, rewards, actionGroup }, clock, logger });
const [learn, record] = [await createLearn({ ...shared, clock: learnersClock }), createRecord(shared)];
const roles = [state, learn, record];
for (const role of roles) await role.start();
const serving = await createServing({
  log,
  store,
  archive: null,
  catalogDir: config.catalogDir,
  idKey: openIdKey(config),
  apiKeys: [],
  clock,
  random: createRandom(`${seed}/decisions`),
  logger,
  config: { deadlineMs: 10 * SECOND_MS, appendBoundMs: 10 * SECOND_MS, watchCatalog: false },
});
await serving.ready;

const post = async <T>(url: string, payload: object, type = 'application/json'): Promise<T> => {
  const response = await serving.app.inject({ method: 'POST', url, payload: JSON.stringify(payload), headers: { 'content-type': type } });
  if (response.statusCode >= 300) throw new Error(`${url} answered ${response.statusCode}: ${response.body.slice(0, 500)}`);
  return response.json<T>();
};
const isFolded = async (): Promise<boolean> =>
  (await log.lag('state', [TOPICS.events, TOPICS.decisions, TOPICS.outcomes, TOPICS.erasures])) === 0;
const until = async (isSo: () => Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
};

interface Answer {
  readonly decisionId: string;
  readonly response: Response;
  readonly atMs: number;
}
const answers = createSchedule<Answer>();
const toWorld = (ms: number): number => ms - startMs + WORLD_START_MS;
const tell = async (events: readonly LifeEvent[]): Promise<void> => {
  for (let i = 0; i < events.length; i += EVENTS_OF_ONE_REQUEST) {
    const batch = events.slice(i, i + EVENTS_OF_ONE_REQUEST).map(({ id, type, customerId, timeMs, data }) => ({
      specversion: '1.0',
      id,
      source: '/simulator',
      type,
      subject: customerId,
      time: new Date(timeMs - WORLD_START_MS + startMs).toISOString(),
      data,
    }));
    await post('/v1/events', batch, 'application/cloudevents-batch+json');
  }
};
/** What happens until `toMs`: customers' answers, one after the other for each decision, and their life. */
const live = async (toMs: number): Promise<void> => {
  nowMs = toMs;
  const due = new Map<string, Answer[]>();
  for (let next = answers.take(toMs); next !== null; next = answers.take(toMs)) {
    const { decisionId } = next.item;
    due.set(decisionId, [...(due.get(decisionId) ?? []), next.item]);
  }
  const answer = async (all: readonly Answer[]): Promise<void> => {
    for (const { decisionId, response, atMs } of all) {
      const { actionId, outcome } = response;
      const outcomeId = `${decisionId}-${actionId}-${outcome}`;
      await post('/v1/outcomes', { decisionId, actionId, outcome, outcomeId, occurredAt: new Date(atMs).toISOString() });
    }
  };
  await Promise.all([...[...due.values()].map(answer), tell([...world.events(toWorld(toMs))])]);
};
const decide = async (n: number): Promise<void> => {
  const touchpoint = world.touchpoint();
  const atMs = nowMs;
  const { decisionId, actions } = await post<{ decisionId: string; actions: readonly { actionId: string }[] }>('/v1/decisions', {
    ...touchpoint,
    limit,
    requestId: `simulated-${n}`,
  });
  if (actions.length === 0) return;
  const shown = { ...touchpoint, actionIds: actions.map(({ actionId }) => actionId), nowMs: toWorld(atMs) };
  for (const response of world.respond(shown)) {
    const answerMs = Math.round(atMs + response.afterMs);
    answers.add(answerMs, { decisionId, response, atMs: answerMs });
  }
};

const world = createWorld({ seed, customers, startMs: WORLD_START_MS, perCustomerDay: LIFE_EVENTS_PER_CUSTOMER_DAY });
await tell([...world.introductions()]);
const everyMs = (days * DAY_MS) / decisions;
for (let n = 0; n < decisions; n += AT_ONCE) {
  await live(Math.round(startMs + (n + AT_ONCE / 2) * everyMs));
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, decisions - n) }, (_, i) => decide(n + i)));
  // The next ones see what these left behind.
  await until(isFolded);
  if ((n + AT_ONCE) % 1_000 === 0) console.log(`${n + AT_ONCE} decisions, ${((performance.now() - beganMs) / 1_000).toFixed(0)} s`);
}
for (let toMs = nowMs; toMs < endMs;) {
  toMs = Math.min(endMs, toMs + DAY_MS / 4);
  await live(toMs);
  await until(isFolded);
}
const isQuiet = async (): Promise<boolean> => {
  const due = await Promise.all(Array.from({ length: log.partitions }, (_, partition) => store.timers.due(partition, nowMs, 1)));
  return due.every((timers) => timers.length === 0) && (await isFolded());
};
await until(isQuiet);
await serving.close();
for (const role of roles) await role.stop();
await store.close();
await log.close();
const warehouse = openConfiguredWarehouse(config);
const [kept] = await warehouse.query<{ decisions: string; matured: string }>(
  'SELECT (SELECT count() FROM decisions FINAL) AS decisions, (SELECT count() FROM experiences) AS matured',
);
await warehouse.close();
await warehouseServer.stop();
if (Number(kept!.decisions) !== decisions) throw new Error(`the warehouse has ${kept!.decisions} of ${decisions} decisions`);
writeFileSync(done, JSON.stringify({ seed, decisions, customers, days, from: new Date(startMs), to: new Date(endMs) }));
console.log(
  `${decisions} decisions and ${kept!.matured} matured experiences in ${dir}, in ${((performance.now() - beganMs) / 1_000).toFixed(0)} s`,
);
