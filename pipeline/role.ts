/** What every stream role of the pipeline looks like from outside. */

/** As pino has it. */
export interface Logger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export const SILENT: Logger = Object.freeze({ info: () => {}, warn: () => {}, error: () => {} });

export interface Role {
  readonly name: string;
  /** Its consumer group, once it consumes; absent where that is the role's name. */
  readonly group?: string;
  /** Resolves once it consumes. Safe to call twice. */
  start(): Promise<void>;
  /** Finishes what is in hand. Safe to call twice. */
  stop(): Promise<void>;
  /** Plain counters and gauges, ready to be shown. */
  metrics(): Readonly<Record<string, number>>;
}
