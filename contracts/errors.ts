/** A broken assumption: a stable `code` to match on, a message that names the value seen and what to do. */
export class AttuneError extends Error {
  readonly code: string;
  /** True when the same call may succeed later (an engine is away); false when it never will. */
  readonly retriable: boolean;

  constructor(code: string, message: string, options: { cause?: unknown; retriable?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AttuneError';
    this.code = code;
    this.retriable = options.retriable ?? false;
  }
}

/** An engine (log, store, warehouse) did not answer; the caller degrades and retries. */
export class EngineUnavailable extends AttuneError {
  constructor(engine: 'event-log' | 'feature-store' | 'warehouse', message: string, cause?: unknown) {
    super(`${engine}.unavailable`, message, { cause, retriable: true });
    this.name = 'EngineUnavailable';
  }
}
