/**
 * The system as it runs in production: Kafka and Redis, `attune doctor --fix`, an API of two workers, two pipelines, the warehouse on its
 * own; the loop closes over all of them, an erasure reaches all of them, and a restart of everything goes on where it was.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { READER, openWarehouse } from '#warehouse';
import type { Warehouse } from '#warehouse';
import { freePort } from '../free-port.ts';
import { createSend } from '../send.ts';
import type { Send } from '../send.ts';
import { untilReady } from '../system.ts';
import { runCommand, startRole } from './roles.ts';
import type { RoleProcess } from './roles.ts';
import { withEngine } from './with-engine.ts';

interface Decision {
  readonly decisionId: string;
  readonly modelVersion: string;
  readonly degraded: readonly string[] | null;
  readonly actions: readonly { readonly actionId: string }[];
}

const READER_PASSWORD = 'engines-reader-password';
const CUSTOMERS = 40;
/** Four roles at once, each with its models and connections, on a machine that has other work. */
const START_MS = 150_000;
const LONG = { timeout: 300_000 };

withEngine('kafka', (brokers) => {
  withEngine('redis', (redisUrl) => {
    describe('Attune on Kafka and Redis', () => {
      const dir = mkdtempSync(join(tmpdir(), 'attune-engines-'));
      const prefix = `system-${process.pid}-${Date.now()}.`;
      let env: NodeJS.ProcessEnv;
      let url: string;
      let send: Send;
      let warehouse: Warehouse;
      let pipelinePorts: number[];
      let running: RoleProcess[] = [];

      const ofMachine = (name: string): NodeJS.ProcessEnv => ({ ...env, ATTUNE_DATA_DIR: join(dir, name) });
      const start = async (): Promise<void> => {
        running = [
          startRole(['warehouse'], ofMachine('warehouse')),
          startRole(['serve', '--workers', '2'], ofMachine('api')),
          // Two machines: each learner keeps its own files.
          ...pipelinePorts.map((port, i) => startRole(['pipeline'], { ...ofMachine(`pipeline-${i}`), ATTUNE_PIPELINE_PORT: String(port) })),
        ];
        await Promise.all(
          [url, ...pipelinePorts.map((port) => `http://127.0.0.1:${port}`)].map((each) =>
            untilReady(each, undefined, START_MS).catch((error: unknown) => Promise.reject(new Error(`${String(error)}\n${tails()}`))),
          ),
        );
      };
      const stop = async (): Promise<(number | null)[]> => Promise.all(running.map((role) => role.stop()));
      const tails = (): string => running.map((role) => role.tail()).join('\n----\n');
      const eventually = async <T>(what: string, ask: () => Promise<T>, good: (answer: T) => boolean, withinMs = 60_000): Promise<T> => {
        for (const endMs = performance.now() + withinMs; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
          const answer = await ask().catch((error: unknown) => error as Error);
          if (!(answer instanceof Error) && good(answer)) return answer;
          if (performance.now() > endMs) throw new Error(`${what}: still ${JSON.stringify(answer)} ${String(answer)}\n${tails()}`);
        }
      };
      const customer = (index: number): string => `engine-customer-${index}`;
      const greet = (index: number, round: string) => ({
        specversion: '1.0',
        id: `hello-${round}-${index}`,
        source: '/system-engines',
        type: 'customer.updated',
        subject: customer(index),
        data: { plan: 'basic', tenureMonths: 20, segment: 'consumer', consentMarketing: true, name: 'Engine Tester' },
      });
      const view = async (index: number): Promise<{ readonly status: number; readonly text: string }> => {
        const response = await fetch(`${url}/v1/customers/${customer(index)}`);
        return { status: response.status, text: await response.text() };
      };
      const decide = (index: number): Promise<Decision> =>
        send('POST', '/v1/decisions', { customerId: customer(index), channel: 'app', placement: 'home-hero', limit: 3 });
      const count = async (sql: string): Promise<number> => Number((await warehouse.query<{ n: string }>(sql))[0]?.n ?? -1);
      const metric = async (port: number, name: string): Promise<number> => {
        const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
        return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
      };

      beforeAll(async () => {
        const [apiPort, warehousePort, ...ports] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
        pipelinePorts = ports;
        url = `http://127.0.0.1:${apiPort}`;
        send = createSend(url);
        env = {
          KAFKA_BROKERS: brokers,
          KAFKA_TOPIC_PREFIX: prefix,
          ATTUNE_PARTITIONS: '8',
          REDIS_URL: redisUrl,
          REDIS_PREFIX: prefix,
          ATTUNE_ID_KEY: 'a key for the system test',
          ATTUNE_PORT: String(apiPort),
          ATTUNE_WAREHOUSE_PORT: String(warehousePort),
          ATTUNE_WAREHOUSE_PASSWORD: 'engines-writer-password',
          ATTUNE_WAREHOUSE_READER_PASSWORD: READER_PASSWORD,
        };
        warehouse = openWarehouse({ url: `http://127.0.0.1:${warehousePort}`, username: READER, password: READER_PASSWORD });
      });
      afterAll(async () => {
        await warehouse.close();
        await stop();
        rmSync(dir, { recursive: true, force: true });
      }, 60_000);

      test('the doctor says what is missing, makes it, and is content then', LONG, async () => {
        const before = await runCommand(['doctor'], ofMachine('api'));
        expect(before.output).toMatch(/✗ Kafka: .*attune\.events/);
        expect(before.code).toBe(1);
        const fixed = await runCommand(['doctor', '--fix'], ofMachine('api'));
        expect(fixed.output).toMatch(/✓ Kafka: the topics are as they should be, with 8 partitions each/);
        expect(fixed.output).toMatch(/✓ Redis/);
        expect(fixed.code, fixed.output).toBe(0);
        const again = await runCommand(['doctor'], ofMachine('api'));
        expect(again.code, again.output).toBe(0);
        expect(again.output).not.toMatch(/^\+/m);
      });

      test('event, decision, outcome and reward go round, and arrive as rows', LONG, async () => {
        await start();
        const greetings = Array.from({ length: CUSTOMERS }, (_, i) => greet(i, 'first'));
        expect(await send('POST', '/v1/events', greetings)).toEqual({ accepted: CUSTOMERS });
        await eventually(
          'a customer',
          () => view(7),
          ({ text }) => text.includes('"basic"'),
        );
        await eventually(
          'a whole decision by a model',
          () => decide(7),
          ({ modelVersion, degraded }) => modelVersion !== 'priors' && degraded === null,
        );

        let accepted = 0;
        for (let i = 0; i < CUSTOMERS; i++) {
          const { decisionId, actions } = await decide(i);
          const [first] = actions;
          if (first === undefined) continue;
          accepted++;
          const outcome = { decisionId, actionId: first.actionId, outcome: 'accepted', outcomeId: `${decisionId}-accepted` };
          await send('POST', '/v1/outcomes', outcome);
          // A client that has heard nothing says it again.
          await send('POST', '/v1/outcomes', outcome);
        }
        expect(accepted).toBeGreaterThan(0);
        const rewarded = 'SELECT count() AS n FROM rewards FINAL WHERE target = 1';
        await eventually(
          'rewards in the warehouse',
          () => count(rewarded),
          (n) => n === accepted,
        );
        await eventually(
          'events in the warehouse',
          () => count('SELECT count() AS n FROM events FINAL'),
          (n) => n === CUSTOMERS,
        );
        expect(JSON.stringify(await warehouse.query('SELECT * FROM events'))).not.toMatch(/Engine Tester|engine-customer/);
      });

      test('both pipelines take their part, and their metrics tell it', LONG, async () => {
        await send(
          'POST',
          '/v1/events',
          Array.from({ length: CUSTOMERS }, (_, i) => greet(i, 'second')),
        );
        for (const port of pipelinePorts)
          await eventually(
            `records at ${port}`,
            () => metric(port, 'attune_state_events_total'),
            (events) => events > 0,
          );
        await eventually(
          'no backlog',
          () => metric(pipelinePorts[0]!, 'attune_group_backlog_records'),
          (records) => records === 0,
        );
      });

      test('an erased customer is gone from state, receipts and warehouse', LONG, async () => {
        const { decisionId } = await decide(3);
        await eventually(
          'the decision as a row',
          () => count(`SELECT count() AS n FROM decisions WHERE decision_id = '${decisionId}'`),
          (n) => n > 0,
        );
        const before = await count('SELECT uniqExact(customer_key) AS n FROM events FINAL');
        await send('DELETE', `/v1/customers/${customer(3)}`);
        expect((await view(3)).status).toBe(404);
        await eventually(
          'no row of the customer',
          () => count('SELECT uniqExact(customer_key) AS n FROM events FINAL'),
          (n) => n === before - 1,
        );
        const receipt = await fetch(`${url}/v1/decisions/${decisionId}`);
        expect(receipt.status).toBe(404);
      });

      test('a restart of everything goes on where it was', LONG, async () => {
        const codes = await stop();
        expect(codes, tails()).toEqual([0, 0, 0, 0]);
        await start();
        expect((await view(3)).status).toBe(404);
        await eventually(
          'a customer from before',
          () => view(7),
          ({ text }) => text.includes('"basic"'),
        );
        await eventually(
          'a model that has learned',
          () => decide(7),
          ({ modelVersion }) => modelVersion !== 'priors',
        );
        await send('POST', '/v1/events', [greet(CUSTOMERS, 'third')]);
        await eventually(
          'a new customer',
          () => view(CUSTOMERS),
          ({ text }) => text.includes('"basic"'),
        );
        const events = 2 * CUSTOMERS - 2 + 1;
        await eventually(
          'every event once',
          () => count('SELECT count() AS n FROM events FINAL'),
          (n) => n === events,
        );
      });
    });
  });
});
