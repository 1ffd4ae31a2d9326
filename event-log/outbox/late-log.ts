/** A log that may not be reachable yet: opened in the background, again and again, until it is there. */
import { AttuneError, EngineUnavailable, within } from '#contracts';
import { sleep } from '../backoff.ts';
import type { EventLog } from '../port.ts';
import type { OutboxLogger } from './types.ts';

export interface LateLogDeps {
  readonly openLog: () => Promise<EventLog>;
  readonly logger: OutboxLogger;
}

const RETRY_MS = 1_000;

export class LateLog {
  readonly #deps: LateLogDeps;
  readonly #cancel = new AbortController();
  readonly #arrived = Promise.withResolvers<EventLog | null>();
  readonly #first = Promise.withResolvers<void>();
  readonly #opening: Promise<void>;
  /** Null: not there yet. */
  log: EventLog | null = null;

  constructor(deps: LateLogDeps) {
    this.#deps = deps;
    this.#first.promise.catch(() => undefined);
    this.#opening = this.#open();
  }

  /** Resolves when the log is there or `ms` have passed. Rejects when it cannot be opened for a reason that time does not cure. */
  async within(ms: number): Promise<void> {
    await within(ms, this.#first.promise, undefined);
  }

  /** Null when `cancelled` aborts first, or the log is closed. */
  async arrived(cancelled: AbortSignal): Promise<EventLog | null> {
    if (this.log !== null || cancelled.aborted) return cancelled.aborted ? null : this.log;
    const given = new Promise<null>((resolve) => cancelled.addEventListener('abort', () => resolve(null), { once: true }));
    return Promise.race([this.#arrived.promise, given]);
  }

  /** Throws EngineUnavailable when it is not there. */
  get(): EventLog {
    if (this.log === null) throw new EngineUnavailable('event-log', 'The event log has not been reached since this process started.');
    return this.log;
  }

  async close(): Promise<void> {
    this.#cancel.abort();
    this.#arrived.resolve(null);
    if (this.log === null) {
      // An opening that hangs must not hold up the end of the process.
      void this.#opening.then(() => this.log?.close());
      return;
    }
    await this.log.close();
  }

  async #open(): Promise<void> {
    for (let told = false; !this.#cancel.signal.aborted;) {
      try {
        this.log = await this.#deps.openLog();
        this.#arrived.resolve(this.log);
        this.#first.resolve();
        if (told) this.#deps.logger.info('the event log is there');
        return;
      } catch (error) {
        if (error instanceof AttuneError && !error.retriable) this.#first.reject(error);
        if (!told) this.#deps.logger.warn(`the event log cannot be opened yet: ${error instanceof Error ? error.message : String(error)}`);
        told = true;
      }
      await sleep(RETRY_MS, this.#cancel.signal);
    }
  }
}
