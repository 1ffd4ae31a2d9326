/** What every event log must do, written once: an adapter's test is this suite and one line. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TOPICS, type Topic } from '#contracts';
import type { AppendRecord, Batch, EventLog, LogRecord, Position } from './port.ts';

export interface LogUnderTest {
  /** Opens the same log again, as another process would; the suite closes what it opens. */
  open(): Promise<EventLog>;
  /** Removes the log. */
  dispose(): Promise<void>;
  /** Compaction is done by the engine in its own time, not by `retain`. */
  readonly compactsLater?: boolean;
}

const { events, outcomes, rewards, models, controls } = TOPICS;
/** Long enough for a loaded machine; every wait below ends as soon as it can. */
const PATIENCE_MS = 20_000;

/** `create` makes a new empty log. Offsets may have gaps; nothing here counts on density. */
export function describeEventLogContract(name: string, create: () => Promise<LogUnderTest>): void {
  describe(`event log contract: ${name}`, { timeout: 60_000 }, () => {
    let underTest: LogUnderTest;
    let log: EventLog;
    let opened: EventLog[];

    async function open(): Promise<EventLog> {
      const another = await underTest.open();
      opened.push(another);
      return another;
    }

    beforeEach(async () => {
      underTest = await create();
      opened = [];
      log = await open();
    });

    afterEach(async () => {
      await Promise.all(opened.map((each) => each.close()));
      await underTest.dispose();
    });

    describe('append and read', () => {
      it('returns positions in the order given, growing within each topic and partition', async () => {
        const positions = await log.append([
          record(events, 1, 'a'),
          record(outcomes, 1, 'b'),
          record(events, 1, 'c'),
          record(events, 2, 'd'),
        ]);
        expect(positions.map(({ topic, partition }) => [topic, partition])).toEqual([
          [events, 1 % log.partitions],
          [outcomes, 1 % log.partitions],
          [events, 1 % log.partitions],
          [events, 2 % log.partitions],
        ]);
        expect(positions[2]!.offset).toBeGreaterThan(positions[0]!.offset);
      });

      it('gives back key, value and position of what it took', async () => {
        const [position] = await log.append([{ topic: events, shard: 3, key: Buffer.from('k'), value: Buffer.from('v') }]);
        const [found] = await log.read(events, position!.partition, position!.offset, 10);
        expect(found).toMatchObject(position!);
        expect(found!.key).toEqual(Buffer.from('k'));
        expect(found!.value.equals(Buffer.from('v'))).toBe(true);
      });

      it('keeps empty values, absent keys and values of a megabyte', async () => {
        const large = Buffer.alloc(1_000_000, 7);
        const [first] = await log.append([record(events, 0, ''), { topic: events, shard: 0, value: large }]);
        const found = await log.read(events, 0, first!.offset, 10);
        expect(found[0]!.value.length).toBe(0);
        expect(found[0]!.key).toBeNull();
        expect(found[1]!.value.equals(large)).toBe(true);
      });

      it('accepts an empty append', async () => {
        expect(await log.append([])).toEqual([]);
      });

      it('refuses a record without a key on a compacted topic, and takes nothing of that call', async () => {
        await expect(log.append([record(events, 0, 'x'), record(models, 0, 'y')])).rejects.toThrow(/key/);
        expect(await readAll(log, events)).toEqual([]);
      });

      it('reads at most as many as asked, from the middle, and nothing at the end', async () => {
        const positions = await log.append(Array.from({ length: 50 }, (_, index) => record(events, 0, String(index))));
        const middle = await log.read(events, 0, positions[20]!.offset, 5);
        expect(texts(middle)).toEqual(['20', '21', '22', '23', '24']);
        expect(await log.read(events, 0, positions[49]!.offset + 1, 5)).toEqual([]);
      });

      it('leaves the value with its receiver: later reads and writes do not change it', async () => {
        const value = Buffer.from('mine');
        const [position] = await log.append([{ topic: events, shard: 0, value }]);
        value.fill(0);
        const [kept] = await log.read(events, 0, position!.offset, 1);
        await log.append(Array.from({ length: 200 }, (_, index) => record(events, 0, `noise ${index}`)));
        await readAll(log, events);
        expect(kept!.value.toString()).toBe('mine');
      });

      it('shows an acknowledged record at once, also to another opening of the log', async () => {
        const other = await open();
        for (let turn = 0; turn < 20; turn += 1) {
          const [{ partition, offset }] = (await log.append([record(events, turn, `turn ${turn}`)])) as [Position];
          expect(texts(await other.read(events, partition, offset, 1))).toEqual([`turn ${turn}`]);
        }
      });

      it('is found again after closing, with the same epoch', async () => {
        await log.append([record(events, 5, 'kept')]);
        await log.close();
        const again = await open();
        expect(again.epoch).toBe(log.epoch);
        expect(texts(await readAll(again, events))).toEqual(['kept']);
      });

      it('has an epoch that is a positive integer below 2^31', () => {
        expect(Number.isInteger(log.epoch)).toBe(true);
        expect(log.epoch).toBeGreaterThan(0);
        expect(log.epoch).toBeLessThan(2 ** 31);
      });

      it('law: every acknowledged record is read once, in order, with timestamps that never fall, whoever appended it', async () => {
        const other = await open();
        const calls = fc.array(
          fc.array(fc.record({ shard: fc.nat(0xffff), value: fc.uint8Array({ maxLength: 300 }) }), { maxLength: 40 }),
          {
            maxLength: 20,
          },
        );
        await fc.assert(
          fc.asyncProperty(calls, async (batches) => {
            const positions = await Promise.all(
              batches.map((batch, index) => (index % 2 === 0 ? log : other).append(batch.map((each) => ({ topic: rewards, ...each })))),
            );
            const found = new Map((await readAll(log, rewards)).map((each) => [`${each.partition}/${each.offset}`, each]));
            for (const [call, batch] of batches.entries())
              for (const [index, { value, shard }] of batch.entries()) {
                const { partition, offset } = positions[call]![index]!;
                expect(partition).toBe(shard % log.partitions);
                expect(found.get(`${partition}/${offset}`)!.value.equals(value)).toBe(true);
              }
            expect(new Set(positions.flat().map(({ partition, offset }) => `${partition}/${offset}`)).size).toBe(positions.flat().length);
          }),
          { seed: 11, numRuns: 15 },
        );
        for (let partition = 0; partition < log.partitions; partition += 1) {
          const records = await log.read(rewards, partition, 0, 100_000);
          for (let index = 1; index < records.length; index += 1) {
            expect(records[index]!.offset).toBeGreaterThan(records[index - 1]!.offset);
            expect(records[index]!.timestampMs).toBeGreaterThanOrEqual(records[index - 1]!.timestampMs);
          }
        }
      });
    });

    describe('offsets', () => {
      it('bounds what can be read', async () => {
        const before = await log.offsets(events, 0);
        expect(before.first).toBe(before.next);
        const positions = await log.append([record(events, 0, 'a'), record(events, 0, 'b')]);
        const after = await log.offsets(events, 0);
        expect(after.first).toBe(positions[0]!.offset);
        expect(after.next).toBeGreaterThan(positions[1]!.offset);
      });

      it('finds the first record taken at or after a time', async () => {
        for (let turn = 0; turn < 12; turn += 1) {
          await log.append(Array.from({ length: turn + 1 }, (_, index) => record(events, 0, `${turn}.${index}`)));
          await pause(5);
        }
        const records = await log.read(events, 0, 0, 1_000);
        const times = [0, ...records.flatMap(({ timestampMs }) => [timestampMs - 1, timestampMs, timestampMs + 1])];
        const { next } = await log.offsets(events, 0);
        for (const time of times) {
          const expected = records.find(({ timestampMs }) => timestampMs >= time)?.offset ?? next;
          expect(await log.offsetAt(events, 0, time)).toBe(expected);
        }
        expect(await log.offsetAt(outcomes, 0, 0)).toBe((await log.offsets(outcomes, 0)).next);
      });
    });

    describe('consumer groups', () => {
      it('deliver every record once while nothing fails, in order within a queue, merged by timestamp', async () => {
        const sink = new Sink();
        log.consume({ group: 'g', topics: [events, outcomes], maxRecords: 7, onBatch: sink.take });
        for (let turn = 0; turn < 20; turn += 1)
          await log.append([0, 1, 2, 3].map((index) => record(turn % 3 === 0 ? outcomes : events, index, `${turn}.${index}`)));
        await sink.reaches(80);
        expect(new Set(sink.texts()).size).toBe(80);
        for (const { records, partition } of sink.batches) {
          expect(records.length).toBeLessThanOrEqual(7);
          for (const [index, each] of records.entries()) {
            expect(each.partition).toBe(partition);
            if (index > 0) expect(each.timestampMs).toBeGreaterThanOrEqual(records[index - 1]!.timestampMs);
          }
        }
        for (const queue of Map.groupBy(sink.records(), (each) => `${each.topic}/${each.partition}`).values())
          for (const [index, each] of queue.entries()) if (index > 0) expect(each.offset).toBeGreaterThan(queue[index - 1]!.offset);
      });

      it('resume after what they committed, also in another opening', async () => {
        const first = new Sink();
        const consumer = log.consume({ group: 'g', topics: [events], onBatch: first.take });
        await log.append([record(events, 0, 'one')]);
        await first.reaches(1);
        await consumer.stop();
        await consumer.stop();
        const [two] = (await log.append([record(events, 0, 'two')])) as [Position];
        expect(await log.committed('g', events, 0)).toBeLessThanOrEqual(two.offset);
        expect(await log.lag('g', [events])).toBe(1);
        const second = new Sink();
        (await open()).consume({ group: 'g', topics: [events], onBatch: second.take });
        await second.reaches(1);
        expect(second.texts()).toEqual(['two']);
        await eventually(async () => (await log.lag('g', [events])) === 0);
      });

      it('do not disturb each other', async () => {
        const sinks = [new Sink(), new Sink()];
        sinks.forEach((sink, index) => log.consume({ group: `g${index}`, topics: [events], onBatch: sink.take }));
        await log.append([record(events, 0, 'x'), record(events, 1, 'y')]);
        await Promise.all(sinks.map((sink) => sink.reaches(2)));
      });

      it('have no committed offset before they consume', async () => {
        expect(await log.committed('nobody', events, 0)).toBeNull();
      });

      it("begin at the end when asked for 'latest'", async () => {
        await log.append(Array.from({ length: 32 }, (_, shard) => record(events, shard, 'old')));
        const sink = new Sink();
        log.consume({ group: 'g', topics: [events], from: 'latest', onBatch: sink.take });
        await eventually(async () => {
          await log.append(Array.from({ length: 32 }, (_, shard) => record(events, shard, 'new')));
          return sink.texts().length > 0;
        });
        expect(sink.texts()).not.toContain('old');
      });

      it('begin where startAt says, whatever they committed; null means the committed offset', async () => {
        const positions = await log.append(['a', 'b', 'c', 'd'].map((text) => record(events, 0, text)));
        const before = new Sink();
        const consumer = log.consume({ group: 'g', topics: [events], onBatch: before.take });
        await before.reaches(4);
        await consumer.stop();
        const again = new Sink();
        log.consume({
          group: 'g',
          topics: [events],
          startAt: async (_topic, partition) => (partition === 0 ? positions[2]!.offset : null),
          onBatch: again.take,
        });
        await again.reaches(2);
        expect(again.texts()).toEqual(['c', 'd']);
      });

      it('get the same batch again after a rejection, while other partitions go on', async () => {
        const errors: unknown[] = [];
        const sink = new Sink();
        let failures = 2;
        log.consume({
          group: 'g',
          topics: [events],
          onError: (error) => errors.push(error),
          onBatch: async (batch) => {
            if (batch.partition === 0 && failures > 0) {
              failures -= 1;
              throw new Error('not yet');
            }
            await sink.take(batch);
          },
        });
        await log.append([record(events, 0, 'stubborn'), record(events, 1, 'easy')]);
        await sink.reaches(2);
        expect(sink.texts()).toEqual(['easy', 'stubborn']);
        expect(errors).toHaveLength(2);
        await eventually(async () => (await log.lag('g', [events])) === 0);
      });

      it('do not commit a batch that never succeeded', async () => {
        const consumer = log.consume({ group: 'g', topics: [events], onBatch: () => Promise.reject(new Error('never')) });
        const [{ offset }] = (await log.append([record(events, 0, 'x')])) as [Position];
        await pause(400);
        await consumer.stop();
        expect((await log.committed('g', events, 0)) ?? 0).toBeLessThanOrEqual(offset);
      });

      it('hold their commits as long as asked, and commit them then', async () => {
        const [position] = await log.append([record(events, 0, 'a')]);
        const sink = new Sink();
        log.consume({ group: 'g', topics: [events], onBatch: sink.take, holdCommitsMs: 1_500 });
        await sink.reaches(1);
        await pause(300);
        expect((await log.committed('g', events, 0)) ?? 0).toBeLessThanOrEqual(position!.offset);
        await eventually(async () => (await log.committed('g', events, 0)) === position!.offset + 1);
      });

      it('leave uncommitted what is held when they stop', async () => {
        const [position] = await log.append([record(events, 0, 'a')]);
        const sink = new Sink();
        const consumer = log.consume({ group: 'g', topics: [events], onBatch: sink.take, holdCommitsMs: 60_000 });
        await sink.reaches(1);
        await consumer.stop();
        expect((await log.committed('g', events, 0)) ?? 0).toBeLessThanOrEqual(position!.offset);
      });

      it('rewind to what is committed, after the batches in hand have ended', async () => {
        await log.append(['a', 'b', 'c'].map((text) => record(events, 0, text)));
        const sink = new Sink();
        const consumer = log.consume({
          group: 'g',
          topics: [events],
          holdCommitsMs: 60_000,
          maxRecords: 2,
          onBatch: async (batch) => {
            await pause(50);
            await sink.take(batch);
          },
        });
        await eventually(async () => sink.batches.length > 0);
        await consumer.rewind();
        const before = sink.texts().length;
        await eventually(async () => sink.texts().length >= before + 3);
        expect(sink.texts().slice(before, before + 3)).toEqual(['a', 'b', 'c']);
        await consumer.stop();
      });

      it('rewind out of a batch that fails', async () => {
        await log.append([record(events, 0, 'a')]);
        const sink = new Sink();
        let failing = true;
        const consumer = log.consume({
          group: 'g',
          topics: [events],
          onBatch: async (batch) => {
            if (failing) throw new Error('not now');
            await sink.take(batch);
          },
        });
        await pause(500);
        failing = false;
        await consumer.rewind();
        await sink.reaches(1);
        expect(sink.texts()).toEqual(['a']);
      });

      it('finish the batch in hand when they stop', async () => {
        let begun = false;
        let finished = false;
        const consumer = log.consume({
          group: 'g',
          topics: [events],
          onBatch: async () => {
            begun = true;
            await pause(200);
            finished = true;
          },
        });
        await log.append([record(events, 0, 'x')]);
        await eventually(async () => begun);
        await consumer.stop();
        expect(finished).toBe(true);
        expect(await log.lag('g', [events])).toBe(0);
      });

      it('share their partitions between members, each record to one of them, and give them back when a member stops', async () => {
        const sinks = [new Sink(), new Sink()];
        const other = await open();
        const first = log.consume({ group: 'g', topics: [events], onBatch: sinks[0]!.take });
        const second = other.consume({ group: 'g', topics: [events], onBatch: sinks[1]!.take });
        let appended = 0;
        await eventually(async () => {
          await log.append(Array.from({ length: 16 }, (_, shard) => record(events, shard, `${shard}.${appended}`)));
          appended += 16;
          return sinks.every((sink) => sink.batches.length > 0);
        });
        await first.stop();
        await log.append(Array.from({ length: 16 }, (_, shard) => record(events, shard, `last ${shard}`)));
        appended += 16;
        await eventually(async () => new Set([...sinks[0]!.texts(), ...sinks[1]!.texts()]).size === appended);
        expect(sinks[1]!.texts().filter((text) => text.startsWith('last'))).toHaveLength(16);
        expect(first.assigned()).toEqual([]);
        expect(second.assigned().toSorted((a, b) => a - b)).toEqual(Array.from({ length: log.partitions }, (_, partition) => partition));
      });

      it('hear of a new record soon', async () => {
        const sink = new Sink();
        (await open()).consume({ group: 'g', topics: [events], onBatch: sink.take });
        await log.append([record(events, 0, 'warm')]);
        await sink.reaches(1);
        const waits: number[] = [];
        for (let turn = 0; turn < 10; turn += 1) {
          const before = performance.now();
          await log.append([record(events, turn, 'x')]);
          await sink.reaches(turn + 2);
          waits.push(performance.now() - before);
        }
        expect(waits.toSorted((a, b) => a - b)[5]).toBeLessThan(500);
      });
    });

    describe('followers', () => {
      it('get every surviving record, oldest first, say when they caught up, then get new ones', async () => {
        await log.append([keyed(controls, 'a', 1), keyed(controls, 'b', 1)]);
        await log.append([keyed(models, 'm', 1)]);
        const seen: string[] = [];
        const follower = (await open()).follow([controls, models], (each) => seen.push(`${String(each.key)}=${each.value.toString()}`));
        await follower.caughtUp;
        expect(seen.toSorted()).toEqual(['a=1', 'b=1', 'm=1']);
        await log.append([keyed(controls, 'a', 2)]);
        await eventually(async () => seen.length === 4);
        expect(seen[3]).toBe('a=2');
        await follower.stop();
        await follower.stop();
        await log.append([keyed(controls, 'a', 3)]);
        await pause(300);
        expect(seen).toHaveLength(4);
      });

      it('catch up at once on an empty log', async () => {
        await log.follow([controls], () => undefined).caughtUp;
      });
    });

    describe('retention', () => {
      it('drops what is old, and reading from there begins at the first record left', async () => {
        await log.append([record(events, 0, 'old')]);
        await pause(30);
        const cut = Date.now();
        await pause(30);
        await log.append([record(events, 0, 'new')]);
        expect(await log.retain({ nowMs: cut, maxAgeMs: 0, requiredGroups: [] })).toBe(1);
        expect(texts(await log.read(events, 0, 0, 10))).toEqual(['new']);
        const { first } = await log.offsets(events, 0);
        expect((await log.read(events, 0, first, 1))[0]!.offset).toBe(first);
      });

      it('never passes the slowest required group', async () => {
        await log.append(['a', 'b'].map((text) => record(events, 0, text)));
        const sink = new Sink();
        const consumer = log.consume({ group: 'slow', topics: [events], onBatch: sink.take });
        await sink.reaches(2);
        await consumer.stop();
        await log.append(['c', 'd'].map((text) => record(events, 0, text)));
        const required = { group: 'slow', topics: [events] };
        const later = Date.now() + 60_000;
        await log.retain({ nowMs: later, maxAgeMs: 0, requiredGroups: [required, { group: 'never came', topics: [outcomes] }] });
        expect(texts(await log.read(events, 0, 0, 10))).toEqual(['c', 'd']);
        await log.retain({ nowMs: later, maxAgeMs: 0, requiredGroups: [required, { group: 'never came', topics: [events] }] });
        expect(texts(await log.read(events, 0, 0, 10))).toEqual(['c', 'd']);
      });

      it('keeps offsets growing after everything went', async () => {
        const [before] = await log.append([record(events, 0, 'gone')]);
        await log.retain({ nowMs: Date.now() + 60_000, maxAgeMs: 0, requiredGroups: [] });
        const [after] = await log.append([record(events, 0, 'next')]);
        expect(after!.offset).toBeGreaterThan(before!.offset);
        expect(texts(await log.read(events, 0, before!.offset, 10))).toEqual(['next']);
      });

      it('keeps the newest record of each key on a compacted topic, however old', async () => {
        for (let turn = 1; turn <= 5; turn += 1) await log.append(['a', 'b'].map((key) => keyed(controls, key, turn)));
        await log.append([keyed(controls, 'c', 1)]);
        await log.retain({ nowMs: Date.now() + 60_000, maxAgeMs: 0, requiredGroups: [] });
        const seen: [string, string][] = [];
        await log.follow([controls], (each) => seen.push([String(each.key), each.value.toString()])).caughtUp;
        expect(Object.fromEntries(seen)).toEqual({ a: '5', b: '5', c: '1' });
        if (underTest.compactsLater !== true) expect(seen).toHaveLength(3);
      });
    });

    it('closes twice without harm, waits for appends in hand, and refuses what comes after', async () => {
      const inHand = log.append([record(events, 0, 'x')]);
      await Promise.all([log.close(), log.close()]);
      expect(await inHand).toHaveLength(1);
      await expect(log.append([record(events, 0, 'y')])).rejects.toMatchObject({ code: 'event-log.unavailable' });
      await expect(log.read(events, 0, 0, 1)).rejects.toMatchObject({ code: 'event-log.unavailable' });
    });
  });
}

class Sink {
  readonly batches: Batch[] = [];
  readonly take = async (batch: Batch): Promise<void> => {
    this.batches.push(batch);
  };

  records(): LogRecord[] {
    return this.batches.flatMap((batch) => batch.records);
  }

  texts(): string[] {
    return texts(this.records());
  }

  async reaches(count: number): Promise<void> {
    await eventually(async () => this.records().length >= count);
    if (this.records().length > count) throw new Error(`${this.records().length} records came where ${count} were expected.`);
  }
}

function record(topic: Topic, shard: number, text: string): AppendRecord {
  return { topic, shard, value: Buffer.from(text) };
}

function keyed(topic: Topic, key: string, value: number): AppendRecord {
  return { topic, shard: key.charCodeAt(0), key: Buffer.from(key), value: Buffer.from(String(value)) };
}

function texts(records: readonly LogRecord[]): string[] {
  return records.map((each) => each.value.toString());
}

async function readAll(log: EventLog, topic: Topic): Promise<LogRecord[]> {
  const all = await Promise.all(Array.from({ length: log.partitions }, (_, partition) => log.read(topic, partition, 0, 1_000_000)));
  return all.flat();
}

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('What was awaited did not happen in time.');
    await pause(2);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
