/** Opens the event log that is embedded on LMDB and shared by the processes of one machine. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { EngineUnavailable, type Topic } from '#contracts';
import type { ConsumeOptions, Consumer, EventLog, Follower, LogRecord } from '../port.ts';
import { Appender } from './appender.ts';
import { Arrivals } from './arrivals.ts';
import { Bells } from './bells.ts';
import { readBootId } from './boot-id.ts';
import { attempt, openEnvironment, unavailable, type Env } from './environment.ts';
import { Groups } from './groups.ts';
import { openIdentity } from './identity.ts';
import { Journal } from './journal.ts';
import { ALL_TOPICS, META_KEY } from './layout.ts';
import { LmdbConsumer } from './lmdb-consumer.ts';
import { followTopics } from './lmdb-follower.ts';
import { adoptOrphans } from './orphans.ts';
import { Reader } from './reader.ts';
import { retainQueue } from './retention.ts';

export interface OpenLmdbLogOptions {
  readonly dir: string;
  /** Of a new log, 8 unless said; an existing one refuses any other number than its own. */
  readonly partitions?: number;
  /** Wall clock, ms since 1970 UTC. */
  readonly now?: () => number;
  /** Names the machine's boot; another one than at the last opening means that the machine may have died. */
  readonly bootId?: string;
}

export interface LmdbEventLog extends EventLog {
  /** As `read`, at once and without a promise; for loops that fold many records. */
  readNow(topic: Topic, partition: number, offset: number, maxRecords: number): LogRecord[];
}

/**
 * Offsets of groups live in an environment of their own, so that commits never wait for appends.
 * Throws EngineUnavailable when the directory cannot be used, `event-log.partitions` when the partitions differ from the stored ones.
 */
export function openLmdbLog(options: OpenLmdbLogOptions): Promise<LmdbEventLog> {
  return Promise.try(() => open(options));
}

/** How often a process deletes its own idle journal and looks for those of dead ones. */
const TEND_JOURNALS_MS = 1_000;

async function open({ dir, partitions, now = Date.now, bootId = readBootId() }: OpenLmdbLogOptions): Promise<LmdbEventLog> {
  attempt(`could not make ${dir}`, () => mkdirSync(dir, { recursive: true }));
  const records = openEnvironment(join(dir, 'records'));
  const offsets = openEnvironment(join(dir, 'groups'));
  const bells = attempt(`could not make ${dir}/bells`, () => new Bells(join(dir, 'bells')));
  const identity = openIdentity({ env: records.env, dir, partitions, bootId });
  bindGroupsToEpoch(offsets.env, identity.epoch);

  const shared = { env: records.env, partitions: identity.partitions, now };
  const reader = new Reader(shared);
  const groups = new Groups({ ...shared, env: offsets.env });
  const arrivals = new Arrivals({ reader, bells });
  const journals = join(dir, 'journals');
  const journal = attempt(`could not make ${journals}`, () => new Journal({ dir: journals, monotonicMs: () => performance.now() }));
  const appender = new Appender({ ...shared, journal, onVisible: (topics) => topics.forEach((topic) => bells.ring(topic)) });
  const consumers = new Set<Pick<Consumer, 'stop'>>();
  const everyPartition = Array.from({ length: identity.partitions }, (_, partition) => partition);
  let closing: Promise<void> | null = null;

  function reading<T>(read: () => T): T {
    if (closing !== null) throw new EngineUnavailable('event-log', 'The log is closed.');
    return attempt('The log could not be read', () => {
      reader.refresh();
      groups.refresh();
      return read();
    });
  }

  function keep<T extends Pick<Consumer, 'stop'>>(consumer: T): T {
    consumers.add(consumer);
    return consumer;
  }

  /** What cannot be taken over now (a full disk) is tried again. */
  const adopt = (): Promise<void> =>
    adoptOrphans({ dir: journals, own: journal.id, takeOver: (id, entries) => appender.takeOver(id, entries) }).catch(() => undefined);
  await adopt();
  let adopting = Promise.resolve();
  let idle = true;
  const tending = setInterval(() => {
    journal.tidy();
    if (!idle) return;
    idle = false;
    adopting = adopt().finally(() => (idle = true));
  }, TEND_JOURNALS_MS);
  tending.unref();

  async function close(): Promise<void> {
    clearInterval(tending);
    await Promise.all([...consumers].map((consumer) => consumer.stop()));
    await adopting;
    await appender.close();
    journal.close();
    bells.close();
    await Promise.all([records.close(), offsets.close()]);
  }

  const log: LmdbEventLog = {
    epoch: identity.epoch,
    partitions: identity.partitions,
    append: (batch) => appender.append(batch),
    accept: async (batch) => void (await appender.accept(batch)),
    readNow: (topic, partition, offset, maxRecords) => reading(() => reader.read(topic, partition, offset, maxRecords)),
    read: async (topic, partition, offset, maxRecords) => log.readNow(topic, partition, offset, maxRecords),
    offsets: async (topic, partition) => reading(() => reader.offsets(topic, partition)),
    offsetAt: async (topic, partition, timeMs) => reading(() => reader.offsetAt(topic, partition, timeMs)),
    consume: (consume: ConsumeOptions): Consumer => reading(() => keep(new LmdbConsumer({ reader, groups, arrivals, bells }, consume))),
    follow: (topics, onRecord): Follower =>
      reading(() => keep(followTopics({ reader, arrivals, partitions: identity.partitions }, topics, onRecord))),
    committed: async (group, topic, partition) => reading(() => groups.committed(group, topic, partition)),
    lag: async (group, topics) =>
      reading(() => {
        let lag = 0;
        for (const topic of topics)
          for (const partition of everyPartition) {
            const { first, next } = reader.offsets(topic, partition);
            lag += Math.max(0, next - Math.max(first, groups.committed(group, topic, partition) ?? 0));
          }
        return lag;
      }),
    retain: async ({ nowMs, maxAgeMs, requiredGroups }) => {
      let removed = 0;
      reading(() => records.env.readerCheck());
      for (const topic of ALL_TOPICS)
        for (const partition of everyPartition) {
          const needed = reading(() =>
            requiredGroups.filter((each) => each.topics.includes(topic)).map((each) => groups.committed(each.group, topic, partition) ?? 0),
          );
          const limit = Math.min(Infinity, ...needed);
          removed += await retainQueue({ env: records.env, topic, partition, limit }, nowMs - maxAgeMs).catch((error: unknown) => {
            throw unavailable('Old records could not be removed', error);
          });
        }
      return removed;
    },
    close: () => (closing ??= close()),
  };
  return log;
}

/** Offsets of another log (its records were deleted, the groups were not) mean nothing here. */
function bindGroupsToEpoch(env: Env, epoch: number): void {
  const bound = Buffer.from(String(epoch));
  env.transactionSync(() => {
    if (env.getBinary(META_KEY)?.equals(bound) === true) return;
    env.clearSync();
    env.putSync(META_KEY, bound);
  });
}
