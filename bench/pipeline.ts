/**
 * Events folded into state, against a floor that reads the same log in the same batches and writes a record of the same size for
 * each event, knowing its customer without looking; and bytes per customer. State writes a customer once a batch, however many
 * events it had: `sameWritesRatio` is against a floor that is spared the same writes. `ratio` is the median over batches, each beside its own floor,
 * which a machine busy with other things distorts less than the ratio of the sums, `sumRatio`. `--engines`: on Kafka and Redis, see engines/pipeline.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MINUTE_MS, TOPICS, customerKeyToBytes, eventCodec, partitionOf, shardOf } from '#contracts';
import { openLmdbLog } from '#event-log';
import { compileFeatures, openLmdbFeatureStore } from '#feature-store';
import { compileRewards, createStateMetrics, DEFAULT_BATCH, processBatch } from '#pipeline';
import { loadProject } from '#project';
import { openSharedLmdb } from '#shared-lmdb';
import { cpuMs } from './cpu-ms.ts';
import { NOW, customerBytes, eventOf, keyOf, random } from './pipeline/traffic.ts';

const PARTITIONS = 8;
const BATCH = DEFAULT_BATCH;

const measure = async (customers: number, events: number) => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-bench-pipeline-'));
  const log = await openLmdbLog({ dir: join(dir, 'log'), partitions: PARTITIONS });
  const store = await openLmdbFeatureStore({ dir: join(dir, 'store'), partitions: PARTITIONS });
  const floor = openSharedLmdb({ path: join(dir, 'floor') });
  const project = loadProject(new URL('../catalog/telco', import.meta.url).pathname);
  const featureSet = compileFeatures(project);
  const facts = { featureSet, rewards: compileRewards(project), actionGroup: () => null };
  const deps = {
    log,
    store,
    facts: () => facts,
    clock: () => NOW,
    metrics: createStateMetrics(),
    erasedAt: () => undefined,
    silent: false,
  };
  const actionIds =
    featureSet.definitions.actionIds.length > 0
      ? featureSet.definitions.actionIds
      : Array.from({ length: 60 }, (_, i) => `action-number-${i}`);

  const keys = Array.from({ length: customers }, (_, i) => keyOf({ kind: 'customer', id: `c-${i}` }));
  const shards = keys.map((_, i) => shardOf(`c-${i}`));
  let bytes = 0;
  for (let from = 0; from < customers; from += 1_000) {
    const chunk = keys.slice(from, from + 1_000).map((key, i) => {
      const shard = shards[from + i]!;
      const { value, timerMs, links } = customerBytes(from + i, key, featureSet, actionIds, log.epoch, shard);
      // Every key with its value: the state, the links of its open decisions, its timer (partition, time, key).
      bytes += 16 + value.length + links.reduce((sum, link) => sum + link.key.length + link.value.length, 0) + 24;
      const rawKey = customerKeyToBytes(key);
      return { key: rawKey, shard, value, expected: null, companions: links, timer: { from: null, to: timerMs } };
    });
    await store.states.commit(chunk);
    await floor.transaction(() => chunk.forEach(({ key, value }) => floor.putSync(key, value)));
  }
  const rawKeys = keys.map(customerKeyToBytes);
  /** Whose event each is, by partition and offset: the floor knows it without reading. */
  const targets = Array.from({ length: PARTITIONS }, (): number[] => []);
  const draw = random(42);
  for (let from = 0; from < events; from += 5_000) {
    await log.append(
      Array.from({ length: Math.min(5_000, events - from) }, (_, i) => {
        const customer = Math.floor(draw() * customers);
        const shard = shards[customer]!;
        targets[partitionOf(shard, PARTITIONS)]!.push(customer);
        const { type, data } = eventOf(draw);
        const time = NOW - 10 * MINUTE_MS + from + i;
        const event = {
          id: `e-${from + i}`,
          source: 'bench',
          type,
          subjectKind: 'customer',
          subjectId: `c-${customer}`,
          customerKey: rawKeys[customer]!,
          time,
          receivedAt: time,
          data: JSON.stringify(data),
        };
        return { topic: TOPICS.events, shard, value: eventCodec.encode(event) };
      }),
    );
  }

  const record = Buffer.alloc(Math.round(bytes / customers) - 16 - 24 - 5 * 33, 1);
  const readAndWrite = async (partition: number, offset: number, writes: number): Promise<void> => {
    const records = await log.read(TOPICS.events, partition, offset, BATCH);
    await floor.transaction(() => {
      let left = writes;
      for (const { offset: at } of records) if (left-- > 0) floor.putSync(rawKeys[targets[partition]![at]!]!, record);
    });
    await floor.flushed;
  };
  const spent = { state: [0, 0], floor: [0, 0], spared: [0, 0] };
  const timed = async (what: number[], work: () => Promise<void>): Promise<void> => {
    const [startCpu, start] = [cpuMs(), performance.now()];
    await work();
    what[0]! += performance.now() - start;
    what[1]! += cpuMs() - startCpu;
  };
  const ratios: number[] = [];
  let written = 0;
  let measured = 0;
  const longest = Math.max(...targets.map(({ length }) => length));
  for (let offset = 0; offset < longest; offset += BATCH) {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const count = Math.min(BATCH, targets[partition]!.length - offset);
      if (count <= 0) continue;
      // Compilers and caches are warm after each partition's first batch.
      const isWarm = offset > 0;
      const before = [spent.floor[0]!, spent.state[0]!] as const;
      const commitsBefore = deps.metrics.commits;
      await timed(isWarm ? spent.state : [0, 0], async () =>
        processBatch(deps, partition, await log.read(TOPICS.events, partition, offset, BATCH)),
      );
      const writes = deps.metrics.commits - commitsBefore;
      await timed(isWarm ? spent.floor : [0, 0], () => readAndWrite(partition, offset, count));
      await timed(isWarm ? spent.spared : [0, 0], () => readAndWrite(partition, offset, writes));
      if (!isWarm) continue;
      ratios.push((spent.floor[0]! - before[0]) / (spent.state[0]! - before[1]));
      written += writes;
      measured += count;
    }
  }
  if (deps.metrics.events !== events) throw new Error(`${deps.metrics.events} of ${events} events were folded`);
  await log.close();
  await store.close();
  await floor.close();
  rmSync(dir, { recursive: true, force: true });
  const [stateMs, stateCpuMs] = spent.state as [number, number];
  const [floorMs, floorCpuMs] = spent.floor as [number, number];
  return {
    customers,
    eventsPerSecond: Math.round((measured / stateMs) * 1_000),
    floorPerSecond: Math.round((measured / floorMs) * 1_000),
    ratio: Number(ratios.toSorted((a, b) => a - b)[ratios.length >> 1]!.toFixed(3)),
    sumRatio: Number((floorMs / stateMs).toFixed(3)),
    sameWritesRatio: Number((spent.spared[0]! / stateMs).toFixed(3)),
    bytesPerCustomer: Math.round(bytes / customers),
    /** Of the whole process, LMDB's threads included: what a busy machine does not distort. */
    cpuRatio: Number((floorCpuMs / stateCpuMs).toFixed(3)),
    stateCpuUs: Number(((stateCpuMs / measured) * 1_000).toFixed(1)),
    floorCpuUs: Number(((floorCpuMs / measured) * 1_000).toFixed(1)),
    writesPerEvent: Number((written / measured).toFixed(2)),
    /** Each partition's first batch is not among them. */
    events: measured,
  };
};

const main = async (): Promise<void> => {
  /** Shorter runs, for a look at a profile. */
  const [, , customers = 100_000, events = 240_000] = process.argv.map(Number);
  // Unrecorded: a role runs for days, its code compiled; the first second of a process says little of either side.
  await measure(1_000, events / 2);
  const small = await measure(1_000, events * 2);
  console.log(JSON.stringify(small));
  const large = await measure(customers, events);
  console.log(JSON.stringify(large));
  console.log(
    JSON.stringify({
      bench: 'pipeline',
      ratio: Math.min(small.ratio, large.ratio),
      bytesPerCustomer: Math.max(small.bytesPerCustomer, large.bytesPerCustomer),
      ratio1k: small.ratio,
      ratio100k: large.ratio,
      sameWritesRatio1k: small.sameWritesRatio,
      sameWritesRatio100k: large.sameWritesRatio,
      sumRatio1k: small.sumRatio,
      sumRatio100k: large.sumRatio,
      cpuRatio1k: small.cpuRatio,
      cpuRatio100k: large.cpuRatio,
      eventsPerSecond1k: small.eventsPerSecond,
      eventsPerSecond100k: large.eventsPerSecond,
      floorPerSecond1k: small.floorPerSecond,
      floorPerSecond100k: large.floorPerSecond,
    }),
  );
};

if (process.argv.includes('--engines')) await (await import('./engines/pipeline.ts')).main();
else await main();
