/** A port that is taken is told before anything is opened, by the variable that names another. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { AttuneError } from '#contracts';

/** What ended a moment ago may hold it still. */
const PATIENCE_MS = 2_000;
const AGAIN_MS = 200;

export interface WantedPort {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Where it comes from. */
  readonly variable: string;
}

/**
 * Throws `port.refused`. It asks whether somebody answers there: whoever listened there itself for a moment would look ready to a health
 * check. What shows only when the port is opened, and what took it since, textOfFault tells (cli/faults.ts).
 */
export const refuseTakenPort = async ({ host, port, variable }: WantedPort): Promise<void> => {
  if (port === 0) return;
  for (const endMs = performance.now() + PATIENCE_MS; await isAnswered(host, port); await delay(AGAIN_MS))
    if (performance.now() > endMs)
      throw new AttuneError('port.refused', `port ${port} of ${host} is taken by another process; ${variable} names another port`);
};

const isAnswered = async (host: string, port: number): Promise<boolean> => {
  const socket = connect({ host: ANY.has(host) ? 'localhost' : host, port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
};

/** Every address of the machine: one of them is asked. */
const ANY = new Set(['0.0.0.0', '::']);
