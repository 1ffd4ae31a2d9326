/** The state role as `attune pipeline --roles state` runs it, for a stated number of events at a time. */
import { setTimeout as delay } from 'node:timers/promises';
import { openKafkaLog } from '#event-log';
import { compileFeatures, openRedisFeatureStore } from '#feature-store';
import { compileRewards, createStateRole } from '#pipeline';
import { loadProject } from '#project';
import { NOW } from '../pipeline/traffic.ts';
import { cpuMs } from '../cpu-ms.ts';
import type { ConsumerStart, Round } from './round.ts';

const quiet = { info: () => {}, warn: () => {}, error: console.error, debug: () => {} };

process.once('message', (start: ConsumerStart) => {
  const open = async () => {
    const log = await openKafkaLog({ connection: { brokers: start.brokers } });
    const real = await openRedisFeatureStore({ url: start.redisUrl, partitions: start.partitions });
    const project = loadProject(new URL('../../catalog/telco', import.meta.url).pathname);
    const facts = { featureSet: compileFeatures(project), rewards: compileRewards(project), actionGroup: () => null };
    let begun: { ms: number; cpuMs: number } | null = null;
    let endedMs = 0;
    const store = {
      ...real,
      states: {
        ...real.states,
        readMany: (keys: Parameters<typeof real.states.readMany>[0]) => {
          begun ??= { ms: performance.now(), cpuMs: cpuMs() };
          return real.states.readMany(keys);
        },
        commit: async (commits: Parameters<typeof real.states.commit>[0]) => {
          const results = await real.states.commit(commits);
          endedMs = performance.now();
          return results;
        },
      },
    };
    const consume = async ({ events }: Round): Promise<void> => {
      begun = null;
      const role = createStateRole({ log, store, project: facts, clock: () => NOW, logger: quiet });
      await role.start();
      while (role.counters.events < events) await delay(5);
      // What was folded is on its way to the store.
      for (let before = -1; before !== role.counters.commits; await delay(100)) before = role.counters.commits;
      const answer = { ms: endedMs - begun!.ms, writes: role.counters.commits, cpuMs: cpuMs() - begun!.cpuMs };
      // Offsets are committed once the store cannot lose what they stand for; then the next round begins after them.
      await delay(real.mayLoseMs + 1_000);
      await role.stop();
      process.send!(answer);
    };
    process.on('message', (round: Round) => void consume(round));
    process.once('disconnect', () => process.exit(0));
    process.send!('ready');
  };
  void open();
});
