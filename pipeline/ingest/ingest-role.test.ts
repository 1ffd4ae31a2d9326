import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EngineUnavailable, TOPICS, createCustomerKey, customerKeyToBytes, erasureCodec, eventCodec } from '#contracts';
import type { EventLog } from '#event-log';
import { evaluateFeatures } from '#feature-store';
import { compileEventTypes, compileSources, createProject, loadProject } from '#project';
import { listDeadLetters, replayDeadLetters } from '../dead-letters/dead-letters.ts';
import { SILENT } from '../role.ts';
import { createStateRole } from '../state/state-role.ts';
import { START_MS, customerKey, openWorld, readTopic, stateOf, until } from '../test-world.ts';
import type { World } from '../test-world.ts';
import { checkSources } from './check-sources.ts';
import { createIngestRole, ingestGroup } from './ingest-role.ts';
import type { IngestProject, IngestRole } from './ingest-role.ts';
import { eventOfLetter } from './replay-letter.ts';
import { createTestSourceLog } from './test-source-log.ts';
import type { TestSourceLog } from './test-source-log.ts';

const TOPIC = 'cdr.usage';
const USAGE = `sources:
  usage:
    topic: ${TOPIC}
    event:
      type: usage.recorded
      subject: value.customer
      data: { dataMb: value.mb }
`;

const telcoFiles = loadProject(new URL('../../catalog/telco', import.meta.url).pathname).files;
const projectOf = (sources: string): IngestProject => {
  const project = createProject(new Map([...telcoFiles, ['sources.yaml', sources]]));
  const eventTypes = compileEventTypes(project);
  return { eventTypes, sources: compileSources(project, eventTypes) };
};

let world: World;
let theirs: TestSourceLog;
let role: IngestRole;

const roleOf = (log: EventLog = world.log, project = projectOf(USAGE)): IngestRole =>
  createIngestRole({
    log,
    project,
    openSourceLog: () => theirs,
    registry: null,
    customerKey: createCustomerKey('test'),
    clock: () => START_MS + 1_000,
    logger: SILENT,
  });

beforeEach(async () => {
  world = await openWorld();
  theirs = createTestSourceLog();
  role = roleOf();
});
afterEach(async () => {
  await role.stop();
  await world.close();
});

const events = async () => (await readTopic(world.log, TOPICS.events)).map(({ value }) => eventCodec.decode(value));

const dataMbOf = async (customer: string): Promise<number> => {
  const state = await stateOf(world, customer);
  if (state === null) return 0;
  return Math.round(evaluateFeatures(state.registers, state.featureSet, START_MS)[state.featureSet.names.indexOf('dataMb30d')]!);
};

describe('the ingest role', () => {
  test('makes events of records: re-keyed by customer, known by their place', async () => {
    await role.start();
    theirs.send(TOPIC, 1, { customer: 'c-1', mb: 5 });
    await theirs.deliver(TOPIC, 1);
    expect(await events()).toEqual([
      {
        id: 'cdr.usage/1/0',
        source: 'attune-source:usage/life1',
        type: 'usage.recorded',
        subjectKind: 'customer',
        subjectId: 'c-1',
        customerKey: customerKeyToBytes(customerKey('c-1')),
        time: START_MS,
        receivedAt: START_MS + 1_000,
        data: '{"dataMb":5}',
      },
    ]);
    expect(theirs.committed.get(`${ingestGroup('usage')}/1`)).toBe(1);
    expect(role.metrics()).toMatchObject({ records: 1, events: 1, deadLetters: 0, sources: 1 });
  });

  test('what gives no event is a dead letter with reason, place and payload, and stops nothing; a tombstone is nothing', async () => {
    await role.start();
    theirs.send(TOPIC, 0, '{"customer":"c-1",');
    theirs.send(TOPIC, 0, { customer: 'c-1', mb: 'five' });
    theirs.send(TOPIC, 0, null);
    theirs.send(TOPIC, 0, { customer: 'c-1', mb: 7 });
    await theirs.deliver(TOPIC, 0);
    const letters = await listDeadLetters(world.log);
    expect(letters.map(({ topic, partition, offset, reason }) => [topic, partition, offset, reason])).toEqual([
      [TOPIC, 0, 0, 'source.value'],
      [TOPIC, 0, 1, 'source.event'],
    ]);
    expect(letters[1]!.message).toContain('usage: data.dataMb must be of type number');
    expect(letters[1]!.payload.toString()).toBe('{"customer":"c-1","mb":"five"}');
    expect((await events()).map(({ data }) => data)).toEqual(['{"dataMb":7}']);
  });

  test('dead letters are tried again with a better sources.yaml; what is still invalid stays', async () => {
    await role.start();
    theirs.send(TOPIC, 0, { customer: 'c-1', mb: '5' });
    theirs.send(TOPIC, 0, { customer: 'c-1', mb: 'five' });
    await theirs.deliver(TOPIC, 0);
    const deps = { registry: null, customerKey: createCustomerKey('test'), clock: () => START_MS + 2_000 };
    const better = projectOf(USAGE.replace('value.mb', 'double(value.mb)'));
    expect(await replayDeadLetters(world.log)).toBe(0);
    expect(await replayDeadLetters(world.log, {}, (letter) => eventOfLetter({ ...deps, project: better }, letter))).toBe(1);
    expect((await events()).map(({ data, source }) => [data, source])).toEqual([['{"dataMb":5}', 'attune-replay:usage']]);
    // By mistake once more: its id is known.
    await replayDeadLetters(world.log, {}, (letter) => eventOfLetter({ ...deps, project: better }, letter));
    const state = createStateRole({ log: world.log, store: world.store, project: world.project, clock: () => START_MS, logger: SILENT });
    await state.start();
    await until(() => state.counters.events + state.counters.duplicates === 2);
    await state.stop();
    expect(await dataMbOf('c-1')).toBe(5);
  });

  test('a log that cannot promise leaves the offsets where they were', async () => {
    await role.stop();
    const log = {
      ...world.log,
      follow: world.log.follow.bind(world.log),
      append: () => Promise.reject(new EngineUnavailable('event-log', 'away')),
    };
    role = roleOf(log);
    await role.start();
    theirs.send(TOPIC, 0, { customer: 'c-1', mb: 5 });
    await expect(theirs.deliver(TOPIC, 0)).rejects.toBeInstanceOf(EngineUnavailable);
    expect(theirs.committed.size).toBe(0);
    expect(role.metrics()).toMatchObject({ records: 0, events: 0 });
  });

  test('records older than their customer’s erasure bring nothing back', async () => {
    const key = customerKeyToBytes(customerKey('c-1'));
    const value = erasureCodec.encode({ customerKey: key, erasedAt: START_MS + 10, shard: null });
    await world.log.append([{ topic: TOPICS.erasures, shard: 0, key, value }]);
    await role.start();
    theirs.send(TOPIC, 0, { customer: 'c-1', mb: 5 }, { timestampMs: START_MS });
    theirs.send(TOPIC, 0, { customer: 'c-1', mb: 6 }, { timestampMs: START_MS + 11 });
    await theirs.deliver(TOPIC, 0);
    expect((await events()).map(({ data }) => data)).toEqual(['{"dataMb":6}']);
    expect(role.metrics()).toMatchObject({ erased: 1 });
  });

  test('doctor names a topic that is not there, and a schema registry that is missing', async () => {
    const check = (sources: string) => checkSources({ sources: projectOf(sources).sources, openSourceLog: () => theirs, registry: null });
    expect(await check(USAGE)).toEqual([expect.stringContaining(`source usage reads the topic ${TOPIC}, which is not there`)]);
    expect(await check(USAGE.replace('topic:', 'enabled: false\n    topic:'))).toEqual([]);
    theirs.send(TOPIC, 0, {});
    expect(await check(USAGE)).toEqual([]);
    expect(await check(USAGE.replace('topic:', 'format: avro\n    topic:'))).toEqual([
      expect.stringContaining('SCHEMA_REGISTRY_URL is not set'),
    ]);
  });

  test('a source that is not enabled is not read', async () => {
    await role.replaceProject(projectOf(USAGE.replace('topic:', 'enabled: false\n    topic:')));
    await role.start();
    expect(role.metrics()).toMatchObject({ sources: 0 });
  });

  test('a reloaded project maps anew, begins what is new and leaves what is gone', async () => {
    await role.start();
    theirs.send(TOPIC, 0, { customer: 'c-1', mb: 5 });
    await theirs.deliver(TOPIC, 0);
    await role.replaceProject(projectOf(USAGE.replace('value.mb', 'value.mb * 2')));
    theirs.send(TOPIC, 0, { customer: 'c-1', mb: 5 });
    await theirs.deliver(TOPIC, 0);
    expect((await events()).map(({ data }) => data)).toEqual(['{"dataMb":5}', '{"dataMb":10}']);
    await role.replaceProject(projectOf(USAGE.replace('usage:', 'traffic:').replace(TOPIC, 'cdr.other')));
    await expect(theirs.deliver(TOPIC, 0)).rejects.toThrow('nobody reads');
    theirs.send('cdr.other', 0, { customer: 'c-1', mb: 1 });
    await theirs.deliver('cdr.other', 0);
    expect(await events()).toHaveLength(3);
    await expect(role.replaceProject(projectOf(USAGE.replace('topic:', 'format: avro\n    topic:')))).rejects.toMatchObject({
      code: 'config.invalid',
    });
    expect(role.metrics()).toMatchObject({ sources: 1 });
  });

  test('exactly once in effect: members that die between append and commit, zombies, and a state role that is started anew', async () => {
    const steps = fc.array(
      fc.record({
        partition: fc.nat(2),
        sends: fc.nat(60),
        most: fc.integer({ min: 1, max: 50 }),
        commit: fc.boolean(),
        zombie: fc.boolean(),
      }),
      { minLength: 3, maxLength: 10 },
    );
    let run = 0;
    await role.start();
    await fc.assert(
      fc.asyncProperty(steps, async (drawn) => {
        const customer = `law-${run++}`;
        let sent = 0;
        const state = createStateRole({
          log: world.log,
          store: world.store,
          project: world.project,
          clock: () => START_MS,
          logger: SILENT,
        });
        await state.start();
        for (const { partition, sends, most, commit, zombie } of drawn) {
          for (let i = 0; i < sends; i++) theirs.send(TOPIC, partition, { customer, mb: 1 });
          sent += sends;
          const place = `${ingestGroup('usage')}/${partition}`;
          const before = theirs.committed.get(place) ?? 0;
          await theirs.deliver(TOPIC, partition, { most, commit });
          // One that was taken for dead appends what it had in hand when the next one had begun there.
          if (zombie)
            await Promise.all([theirs.deliver(TOPIC, partition, { from: before, most, commit: false }), theirs.deliver(TOPIC, partition)]);
        }
        for (let partition = 0; partition < 3; partition++) await theirs.deliver(TOPIC, partition);
        await state.stop();
        const next = createStateRole({ log: world.log, store: world.store, project: world.project, clock: () => START_MS, logger: SILENT });
        await next.start();
        await until(async () => (await world.log.lag('state', [TOPICS.events])) === 0);
        await next.stop();
        expect(await dataMbOf(customer)).toBe(sent);
      }),
      { seed: 21, numRuns: 12 },
    );
  });
});
