/** One engine as a server, the other embedded: on one machine any mixture closes the loop, and goes on after a restart. */
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type ExpectStatic } from 'vitest';
import { openLmdbFeatureStore } from '#feature-store';
import { freePort } from '../free-port.ts';
import { createSend } from '../send.ts';
import { untilReady } from '../system.ts';
import { deleteTopics } from './delete-topics.ts';
import { runCommand, startRole } from './roles.ts';
import { withEngine } from './with-engine.ts';

interface Decision {
  readonly decisionId: string;
  readonly modelVersion: string;
  readonly degraded: readonly string[] | null;
  readonly actions: readonly { readonly actionId: string }[];
}

/** Each has its own directory, topics and keys. */
const CONCURRENT = { concurrent: true };
const prefix = `mixture-${process.pid}-${Date.now()}.`;

const goesRound = async (engine: NodeJS.ProcessEnv, expect: ExpectStatic): Promise<void> => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-mixture-'));
  const [port, pipelinePort, warehousePort] = await Promise.all([freePort(), freePort(), freePort()]);
  const env = {
    ...engine,
    ATTUNE_DATA_DIR: dir,
    ATTUNE_PARTITIONS: '4',
    ATTUNE_ID_KEY: 'a key for the mixture test',
    ATTUNE_PORT: String(port),
    ATTUNE_PIPELINE_PORT: String(pipelinePort),
    ATTUNE_WAREHOUSE_PORT: String(warehousePort),
  };
  const url = `http://127.0.0.1:${port}`;
  const send = createSend(url);
  if ('KAFKA_BROKERS' in engine)
    expect((await runCommand(['doctor', '--fix'], env)).output).toMatch(
      /✓ Kafka: the topics[^]*– no REDIS_URL.*every role must run on this machine/,
    );
  let running = [startRole(['pipeline', '--roles', 'state,learn'], env), startRole(['serve'], env)];
  const ready = (): Promise<unknown> =>
    Promise.all([url, `http://127.0.0.1:${pipelinePort}`].map((each) => untilReady(each, undefined, 120_000)));
  const decide = (body: object): Promise<Decision> => send('POST', '/v1/decisions', { customerId: 'c-1', channel: 'app', ...body });
  const banner = { loop: 'banner', candidates: [{ id: 'red' }, { id: 'blue' }] };
  const whole = async (): Promise<void> => {
    const pair = async () =>
      [await decide({}), await decide(banner)].map(({ degraded, modelVersion }) => [degraded, modelVersion === 'priors']);
    await expect.poll(pair, { timeout: 60_000, interval: 200 }).toEqual([
      [null, false],
      [null, false],
    ]);
  };
  try {
    await ready();
    const data = { plan: 'basic', tenureMonths: 20, segment: 'consumer', consentMarketing: true };
    await send('POST', '/v1/events', { specversion: '1.0', id: 'e-1', source: '/test', type: 'customer.updated', subject: 'c-1', data });
    const { decisionId, actions } = await decide(banner);
    await send('POST', '/v1/outcomes', { decisionId, actionId: actions[0]!.actionId, outcome: 'accepted', reward: 1 });
    await whole();
    await Promise.all(running.map((role) => role.stop()));
    running = [startRole(['serve'], env), startRole(['pipeline', '--roles', 'state,learn'], env)];
    await ready();
    await whole();
    expect(running.map((role) => role.tail()).join()).not.toMatch(/was not taken|looks like you are running TensorFlow/);
  } catch (error) {
    throw new Error(`${String(error)}\n${running.map((role) => role.tail()).join('\n----\n')}`, { cause: error });
  } finally {
    await Promise.all(running.map((role) => role.stop()));
    rmSync(dir, { recursive: true, force: true });
  }
};

withEngine('kafka', (brokers) => {
  describe('Kafka with the embedded feature store', CONCURRENT, () => {
    test('closes the loop', { timeout: 300_000 }, async ({ expect }) => {
      await goesRound({ KAFKA_BROKERS: brokers, KAFKA_TOPIC_PREFIX: prefix }, expect);
      await deleteTopics(brokers.split(','), prefix);
    });

    test('a store of another number of partitions is refused, with a way out that works', { timeout: 120_000 }, async ({ expect }) => {
      const dir = mkdtempSync(join(tmpdir(), 'attune-mixture-'));
      const own = `other-${prefix}`;
      const env = {
        KAFKA_BROKERS: brokers,
        KAFKA_TOPIC_PREFIX: own,
        ATTUNE_DATA_DIR: dir,
        ATTUNE_PARTITIONS: '2',
        ATTUNE_ID_KEY: 'a key for the mixture test',
        ATTUNE_PORT: '0',
      };
      try {
        await runCommand(['doctor', '--fix'], env);
        await (await openLmdbFeatureStore({ dir: join(dir, 'feature-store'), partitions: 8 })).close();
        const states = join(dir, 'feature-store', 'states');
        const { code, output } = await runCommand(['serve'], env);
        expect(output).toContain(`the embedded feature store in ${states} has 8 partitions and the event log has 2`);
        expect(code).toBe(78);
        renameSync(states, join(dir, 'states-before'));
        const rebuilt = await runCommand(['rebuild', '--from-log'], env);
        expect(rebuilt.output).toMatch(/rebuilt in/);
        expect(rebuilt.code).toBe(0);
      } finally {
        await deleteTopics(brokers.split(','), own);
        rmSync(dir, { recursive: true, force: true });
      }
    });
  });
});

withEngine('redis', (url) => {
  describe('Redis with the embedded event log', CONCURRENT, () => {
    test('closes the loop', { timeout: 300_000 }, ({ expect }) => goesRound({ REDIS_URL: url, REDIS_PREFIX: prefix }, expect));
  });
});
