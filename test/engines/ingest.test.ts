/** Exactly once in effect, on Kafka, with processes that are killed: whatever dies when, each record of theirs counts once in the state. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, describe, expect, test } from 'vitest';
import { TOPICS, customerKeyToBytes, shardOf } from '../../contracts/index.ts';
import { fixTopics, openKafkaLog } from '../../event-log/index.ts';
import { decodeState, evaluateFeatures, openLmdbFeatureStore } from '../../feature-store/index.ts';
import { SILENT, createStateRole } from '../../pipeline/index.ts';
import { customerKey, telco } from '../../pipeline/test-world.ts';
import { createTopic } from './create-topic.ts';
import { deleteTopics } from './delete-topics.ts';
import { withEngine } from './with-engine.ts';

const MEMBER = fileURLToPath(new URL('ingest-member.ts', import.meta.url));
const KILLS = 5;
const CUSTOMERS = ['c-1', 'c-2', 'c-3'];

withEngine('kafka', (url) => {
  describe('ingest on Kafka', () => {
    const brokers = url.split(',');
    const topicPrefix = `ing-${randomUUID().slice(0, 8)}.`;
    const topic = `${topicPrefix}cdr`;
    const dir = mkdtempSync(join(tmpdir(), 'attune-ingest-'));
    const members = new Set<ChildProcess>();
    const startMember = (): Promise<ChildProcess> => {
      const member = fork(MEMBER, [url, topicPrefix, topic], { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
      members.add(member);
      member.once('exit', () => members.delete(member));
      return new Promise((resolve) => member.once('message', () => resolve(member)));
    };
    afterAll(async () => {
      for (const member of members) member.kill('SIGKILL');
      await deleteTopics(brokers, topicPrefix);
      rmSync(dir, { recursive: true, force: true });
    });

    test(
      'members are killed, and paused until they are taken for dead: nothing is lost, nothing counts twice',
      { timeout: 170_000 },
      async () => {
        const connection = { brokers };
        await fixTopics({ connection, topicPrefix, partitions: 4, replicationFactor: 1, nowMs: Date.now(), epoch: 7 });
        const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
        const admin = kafka.admin();
        await admin.connect();
        await createTopic(admin, topic, 3);
        const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
        await producer.connect();

        const log = await openKafkaLog({ connection, topicPrefix });
        const store = await openLmdbFeatureStore({ dir, partitions: log.partitions });
        const project = telco();
        const state = createStateRole({ log, store, project, clock: Date.now, logger: SILENT });
        await state.start();

        let sent = 0;
        const enough = new AbortController();
        const load = async (): Promise<void> => {
          while (!enough.signal.aborted) {
            const messages = CUSTOMERS.flatMap((customer, partition) =>
              Array.from({ length: 40 }, () => ({ partition, key: customer, value: JSON.stringify({ customer, mb: 1 }) })),
            );
            await producer.send({ topic, acks: -1, messages });
            sent += 40;
            await delay(50);
          }
        };
        const loading = load();
        await Promise.all([startMember(), startMember()]);
        for (let kill = 0; kill < KILLS; kill++) {
          await delay(1_500 + 400 * kill);
          const [victim] = members;
          if (kill % 3 === 2) {
            victim!.kill('SIGSTOP');
            await delay(5_000);
            victim!.kill('SIGCONT');
          } else {
            victim!.kill('SIGKILL');
            await startMember();
          }
        }
        enough.abort();
        await loading;
        const group = `${topicPrefix}attune-ingest-usage`;
        const committed = async (): Promise<number> => {
          const [offsets] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
          return offsets!.partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
        };
        await expect.poll(committed, { timeout: 60_000, interval: 500 }).toBe(sent * CUSTOMERS.length);
        await expect.poll(() => log.lag('state', [TOPICS.events]), { timeout: 30_000, interval: 500 }).toBe(0);
        const appended = state.counters.events + state.counters.duplicates;
        for (const customer of CUSTOMERS) {
          const bytes = await store.states.read(customerKeyToBytes(customerKey(customer)), shardOf(customer));
          const { registers, featureSet } = decodeState(bytes!, project.featureSet);
          const at = featureSet.names.indexOf('dataMb30d');
          // The sum fades by half in 20.8 days: within the minute of the test by less than a record in ten thousand.
          expect(Math.round(evaluateFeatures(registers, featureSet, registers.refMs)[at]! * 1.0000001)).toBeGreaterThanOrEqual(sent - 1);
          expect(Math.round(evaluateFeatures(registers, featureSet, registers.refMs)[at]!)).toBeLessThanOrEqual(sent);
        }
        expect(state.counters.events).toBe(sent * CUSTOMERS.length);
        expect(appended).toBeGreaterThanOrEqual(sent * CUSTOMERS.length);
        console.log(`${sent * CUSTOMERS.length} records, ${state.counters.duplicates} appended twice and counted once`);
        await state.stop();
        await store.close();
        await log.close();
        await producer.disconnect();
        await admin.disconnect();
      },
    );
  });
});
