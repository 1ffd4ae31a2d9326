/** While nothing waits: asks the log first, and the disk where the log is late or away; whichever has the records first answers. */
import type { AppendRecord, EventLog } from '../port.ts';
import type { Forwarder } from './forwarder.ts';
import { mayPass } from './may-pass.ts';
import type { Spool, Waiting } from './spool.ts';
import type { OutboxLogger } from './types.ts';

export interface DirectAppendDeps {
  readonly spool: Spool;
  readonly forwarder: Forwarder;
  readonly waitMs: number;
  readonly logger: OutboxLogger;
  /** What the log has not answered yet. */
  readonly inHand: Set<Promise<unknown>>;
}

export const createDirectAppend =
  ({ spool, forwarder, waitMs, logger, inHand }: DirectAppendDeps) =>
  (log: EventLog, records: readonly AppendRecord[]): Promise<void> => {
    const safe = Promise.withResolvers<void>();
    let waiting: Waiting | null = null;
    let isAnswered = false;

    const toDisk = (why: string): void => {
      if (spool.isEmpty) logger.warn(`${why}; records go to the outbox until it does`);
      try {
        // What the log may still take is not forwarded before it has answered.
        const put = spool.put(records, isAnswered ? null : answered);
        waiting = put;
        put.durable.then(safe.resolve, safe.reject);
        forwarder.wake();
      } catch (error) {
        safe.reject(error);
      }
    };

    // Where this process itself was late, the log's answer may be waiting behind the timer: it is heard first.
    const timer = setTimeout(() => setImmediate(() => isAnswered || toDisk(`the event log has not answered within ${waitMs} ms`)), waitMs);

    const answered = send(log, records).then(
      () => {
        isAnswered = true;
        clearTimeout(timer);
        safe.resolve();
        if (waiting === null) return;
        spool.delivered(waiting);
        forwarder.wake();
      },
      (error: unknown) => {
        isAnswered = true;
        clearTimeout(timer);
        if (waiting !== null) return;
        if (mayPass(error)) toDisk(`the event log does not take records (${error instanceof Error ? error.message : String(error)})`);
        else safe.reject(error);
      },
    );
    inHand.add(answered);
    void answered.then(() => inHand.delete(answered));
    return safe.promise;
  };

const send = async (log: EventLog, records: readonly AppendRecord[]): Promise<unknown> =>
  log.accept === undefined ? log.append(records) : log.accept(records);
