import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TOPICS, decisionCodec, decisionIdFromBytes, parseDecisionId, shardOfDecision } from '#contracts';
import { openLmdbLog } from '#event-log';
import { openTestServing, type TestServing } from '../test-serving.ts';
import { createReceiptFinder } from './find-receipt.ts';

let serving: TestServing;
beforeAll(async () => {
  serving = await openTestServing();
});
afterAll(() => serving.stop());

const decide = async () => {
  const answer = await serving.app.inject({ method: 'POST', url: '/v1/decisions', payload: { customerId: 'c-1', channel: 'app' } });
  return parseDecisionId(answer.json<{ decisionId: string }>().decisionId)!;
};

test('a receipt of before the partitions were raised is found where their former number put it', async () => {
  const id = await decide();
  const shard = shardOfDecision(id);
  await serving.log.append([]);
  const records = await serving.log.read(TOPICS.decisions, shard % serving.log.partitions, 0, 1_000);
  const { value } = records.find((record) => decisionIdFromBytes(decisionCodec.decode(record.value).decisionId) === id)!;
  // So many that its partition is another one now.
  const partitions = [3, 5, 7, 11].find((count) => shard % count > 1)!;
  const log = await openLmdbLog({ dir: join(serving.dir, 'raised'), partitions });
  await log.append([{ topic: TOPICS.decisions, shard: shard % 2, value }]);
  const raised = { ...log, raisedAtMs: Date.now(), formerPartitions: [2] };
  const finder = createReceiptFinder({ log: raised, outbox: null, archive: null, clock: Date.now });
  expect(await finder.find(id)).toMatchObject({ source: 'log', decision: { channel: 'app' } });
  await log.close();
});

test('a log that does not answer is told of within about a second', async () => {
  const id = await decide();
  const log = { ...serving.log, offsetAt: () => new Promise<number>(() => {}) };
  const finder = createReceiptFinder({ log, outbox: null, archive: null, clock: Date.now });
  const startMs = performance.now();
  await expect(finder.find(id)).rejects.toMatchObject({ code: 'event-log.unavailable' });
  expect(performance.now() - startMs).toBeLessThan(3_000);
});
