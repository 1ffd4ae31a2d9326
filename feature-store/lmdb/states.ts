/** States and timers on LMDB: a table of states per partition, one of timers, all in one environment, so that a commit is one transaction. */
import { partitionOf } from '#contracts';
import { recordKindOf } from '../companion.ts';
import type { CommitResult, DueTimer, StateCommit, StateKey, States, Timers } from '../port.ts';
import { refuseMistakes } from '../refuse-mistakes.ts';
import { attempt, type Environment, type Table } from './environment.ts';
import { createWipeSoon } from './wipe-soon.ts';
import { removeWiped } from './wipe.ts';

const SCAN_CHUNK = 500;

export interface LmdbStates {
  readonly states: States;
  readonly timers: Timers;
  /** Before the environment closes: LMDB crashes on what is read afterwards. What is left to wipe is wiped at the next start. */
  readonly stop: () => Promise<void>;
}

export const createLmdbStates = (environment: Environment, partitions: number): LmdbStates => {
  const tables = Array.from({ length: partitions }, (_, partition) => environment.table(`states-${partition}`));
  const timers = environment.table('timers');
  const tableOf = (shard: number): Table => tables[partitionOf(shard, partitions)]!;
  const read = (key: StateKey, shard: number): Buffer | null => attempt('read a state', () => tableOf(shard).getBinary(key) ?? null);

  const wiper = createWipeSoon(environment);

  // Whatever can be wrong with a commit is found before its first write: a batch of transactions is not taken back.
  const apply = (commit: StateCommit): CommitResult => {
    const table = tableOf(commit.shard);
    const partition = partitionOf(commit.shard, partitions);
    const { from, to } = commit.timer;
    const old = from === null || from === to ? null : timerKey(partition, from, commit.key);
    const next = to === null || from === to ? null : timerKey(partition, to, commit.key);
    if (!stands(table.getBinaryFast(commit.key), commit.expected)) return 'refused';
    for (const { key, expected } of commit.companions)
      if (expected !== undefined && !isExactly(table.getBinary(key), expected)) return 'refused';
    for (const { key, value } of [commit, ...commit.companions]) {
      if (value === null && commit.wipe === true) removeWiped(table, key);
      else if (value === null) table.removeSync(key);
      else table.putSync(key, value);
    }
    if (commit.wipe === true) wiper.mark();
    if (old !== null) timers.removeSync(old);
    if (next !== null) timers.putSync(next, shardBytes(commit.shard));
    return 'committed';
  };

  return {
    stop: () => wiper.stop(),
    states: {
      read,
      readMany: async (keys) => keys.map(({ key, shard }) => read(key, shard)),
      commit: async (commits) => {
        refuseMistakes(commits);
        if (commits.length === 0) return [];
        const results = await environment.durably(() => commits.map(apply));
        if (commits.some((commit) => commit.wipe === true)) wiper.soon();
        return results;
      },
      scan: (kind) => scan(tables, kind),
    },
    timers: {
      due: async (partition, nowMs, limit) =>
        attempt('read timers', () => [
          ...timers
            .getRange({ start: timerKey(partition, 0, LOWEST), end: timerKey(partition, nowMs + 1, LOWEST), limit, snapshot: false })
            .map(({ key, value }) => parseTimer(key, value)),
        ]),
    },
  };
};

const LOWEST = Buffer.alloc(0);

/** The vector that was read is still the first bytes of what is there. */
const stands = (stored: Buffer | undefined, expected: Buffer | null): boolean => {
  if (stored === undefined || expected === null) return stored === undefined && expected === null;
  return stored.length >= expected.length && stored.compare(expected, 0, expected.length, 0, expected.length) === 0;
};

const isExactly = (stored: Buffer | undefined, expected: Buffer | null): boolean =>
  stored === undefined || expected === null ? stored === undefined && expected === null : stored.equals(expected);

/** 24 bytes: partition, due time, key; so they sort by what is asked. */
const timerKey = (partition: number, dueMs: number, key: StateKey): Buffer => {
  const out = Buffer.alloc(8 + key.length);
  out.writeUInt16BE(partition, 0);
  out.writeUIntBE(dueMs, 2, 6);
  key.copy(out, 8);
  return out;
};

const shardBytes = (shard: number): Buffer => Buffer.of(shard >> 8, shard & 255);

/** Without a shard it was written by the first version: any of its partition did. */
const parseTimer = (bytes: Buffer, value: Buffer): DueTimer => ({
  key: Buffer.from(bytes.subarray(8)),
  shard: value.length === 2 ? value.readUInt16BE() : bytes.readUInt16BE(0),
  dueMs: bytes.readUIntBE(2, 6),
});

async function* scan(tables: readonly Table[], kind?: 'state' | 'waiting'): AsyncGenerator<Entry> {
  for (const [partition, table] of tables.entries())
    for await (const entry of scanTable(table, partition)) if (kind === undefined || recordKindOf(entry.value) === kind) yield entry;
}

interface Entry {
  readonly key: StateKey;
  readonly shard: number;
  readonly value: Buffer;
}

/** In chunks, so that no read transaction stays open while the caller works (it would pin pages). */
async function* scanTable(table: Table, shard: number): AsyncGenerator<Entry> {
  let after: Buffer | undefined;
  for (;;) {
    const chunk = attempt('scan states', () =>
      [...table.getRange({ ...(after === undefined ? {} : { start: after, exclusiveStart: true }), limit: SCAN_CHUNK })].map(
        ({ key, value }) => ({
          key: Buffer.from(key),
          shard,
          value: Buffer.from(value),
        }),
      ),
    );
    yield* chunk;
    if (chunk.length < SCAN_CHUNK) return;
    after = chunk.at(-1)!.key;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
