/** Runs one role in this process until it is told to stop: by its supervisor over IPC, or by a signal when it stands alone. */
import closeWithGrace from 'close-with-grace';
import pino from 'pino';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { tellUnknown } from './config/given-variables.ts';
import { exitCodeOfRole, textOfFault } from './faults.ts';
import type { FromRole } from './supervisor/messages.ts';

export interface RunningRole {
  readonly detail: string;
  /** Where it listens. */
  readonly port: number | null;
  /** Drains and closes. */
  stop(): Promise<void>;
}

const DRAIN_MS = 15_000;

export const tellSupervisor = (message: FromRole): void => {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
};

/** `start` may keep `giveUp` for what shows later: the role cannot go on, and drains. */
export const runRole = async (
  name: string,
  { logLevel, unknown }: Pick<Config, 'logLevel' | 'unknown'>,
  start: (log: Logger, giveUp: (error: Error) => void) => Promise<RunningRole>,
  drainMs: number = DRAIN_MS,
): Promise<void> => {
  const log = pino({ level: logLevel, base: { role: name } });
  const supervised = process.send !== undefined;
  let running: RunningRole | null = null;
  let givenUp: number | null = null;
  // Its supervisor has said so already.
  if (!supervised) for (const name of unknown) log.warn(tellUnknown(name));

  // Ctrl-C reaches the whole process group; under a supervisor the order of draining is its business.
  if (supervised) process.on('SIGINT', () => {});
  const grace = closeWithGrace({ delay: drainMs, logger: false, skip: supervised ? ['SIGINT'] : [] }, async ({ err }) => {
    if (err !== undefined) log.fatal({ err }, 'unexpected fault');
    await running?.stop();
    log.info('stopped');
    // It would end with 0, which says that all was well.
    if (givenUp !== null) process.exit(givenUp);
  });
  process.on('message', (message) => {
    if ((message as { kind?: unknown } | null)?.kind === 'stop') grace.close();
  });
  // A supervisor that was killed can no longer stop us, and an orphan would keep the engines' locks.
  process.on('disconnect', () => grace.close());

  const say = (error: unknown): number => {
    for (const line of textOfFault(error).split('\n')) log.error(line);
    return exitCodeOfRole(error);
  };
  const giveUp = (error: Error): void => {
    givenUp = say(error);
    grace.close();
  };
  try {
    running = await start(log, giveUp);
  } catch (error) {
    const exitCode = say(error);
    grace.uninstall();
    process.exitCode = exitCode;
    setImmediate(() => process.exit(exitCode));
    return;
  }
  log.info(running.detail);
  tellSupervisor({ kind: 'ready', detail: running.detail, port: running.port });
};
