/** Appends to the log within a bound: a 2xx means durable, and past the bound nothing is promised. */
import type { AppendRecord, EventLog } from '#event-log';
import { AttuneError, COMPACTED_TOPICS, within, type Clock } from '#contracts';
import { notDurable, outboxFull } from '../errors/problem.ts';

export interface Appender {
  /**
   * Resolves when all are durable (none: when all that was sent before can be read); rejects with a 503 problem when the log fails or
   * takes longer than the bound.
   */
  append(records: readonly AppendRecord[]): Promise<void>;
  /** Waits for appends in hand, for the bound at most: whoever waited longer was told that nothing is promised. */
  drain(): Promise<void>;
}

export interface AppenderOptions {
  readonly log: EventLog;
  readonly boundMs: number;
  readonly monotonicMs: Clock;
  /** Milliseconds that an append took; called once a group. */
  readonly onAppended: (tookMs: number, records: number) => void;
}

interface Waiting {
  readonly records: readonly AppendRecord[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const settling = new WeakMap<object, Promise<unknown>>();

/** Of a 503 for an append that took too long: resolves when the log has taken it or refused it after all. Null: nothing is on its way. */
export const settlementOf = (error: unknown): Promise<unknown> | null =>
  (typeof error === 'object' && error !== null && settling.get(error)) || null;

/** Requests of one turn of the event loop share an append and a timer. */
export const createAppender = ({ log, boundMs, monotonicMs, onAppended }: AppenderOptions): Appender => {
  let waiting: Waiting[] = [];
  const inHand = new Set<Promise<unknown>>();

  const flush = (): void => {
    const group = waiting;
    waiting = [];
    if (group.length > 0) send(group);
  };

  const send = (group: readonly Waiting[]): void => {
    const records = group.length === 1 ? group[0]!.records : group.flatMap((one) => one.records);
    const began = monotonicMs();
    const giveUp = (): void => {
      const late = notDurable(`the event log has not answered within ${boundMs} ms`);
      settling.set(late, appended);
      for (const one of group) one.reject(late);
    };
    // Where this process itself was late, the log's answer may be waiting behind the timer: it is heard first.
    const timer = setTimeout(() => setImmediate(giveUp), boundMs);
    const appended = start(records).then(
      () => {
        clearTimeout(timer);
        onAppended(monotonicMs() - began, records.length);
        for (const one of group) one.resolve();
      },
      (cause: unknown) => {
        clearTimeout(timer);
        const failed = refusalOf(cause);
        for (const one of group) one.reject(failed);
      },
    );
    inHand.add(appended);
    void appended.finally(() => inHand.delete(appended));
  };

  /** What steers the system (controls, models, erasures) is acknowledged when everyone can read it, the rest as soon as it is safe. */
  const start = async (records: readonly AppendRecord[]): Promise<unknown> =>
    log.accept === undefined || records.length === 0 || records.some(({ topic }) => COMPACTED_TOPICS.includes(topic))
      ? log.append(records)
      : log.accept(records);

  return {
    append(records) {
      return new Promise((resolve, reject) => {
        if (records.length === 0) {
          flush();
          return send([{ records, resolve, reject }]);
        }
        if (waiting.length === 0) setImmediate(flush);
        waiting.push({ records, resolve, reject });
      });
    },
    async drain() {
      const settled = async (): Promise<void> => {
        while (waiting.length > 0 || inHand.size > 0) {
          await Promise.all(inHand);
          if (waiting.length > 0) await new Promise((resolve) => setImmediate(resolve));
        }
      };
      await within(boundMs, settled(), undefined);
    },
  };
};

const refusalOf = (cause: unknown): Error =>
  cause instanceof AttuneError && cause.code === 'outbox.full'
    ? outboxFull(cause.message)
    : notDurable(`the event log did not take it (${cause instanceof Error ? cause.message : String(cause)})`);
