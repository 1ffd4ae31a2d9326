/** A port that cannot be had is told before anything is opened, by the variable that names another. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { AttuneError } from '#contracts';

/** What ended a moment ago may hold it still. */
const PATIENCE_MS = 2_000;
const AGAIN_MS = 200;

export interface WantedPort {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Where both come from. */
  readonly variables: { readonly host: string | null; readonly port: string };
}

/** Throws `port.refused`. */
export const refuseTakenPort = async ({ host, port, variables }: WantedPort): Promise<void> => {
  if (port === 0) return;
  const endMs = performance.now() + PATIENCE_MS;
  for (let code = await tryPort(host, port); code !== null; code = await tryPort(host, port)) {
    if (code === 'EADDRINUSE' && performance.now() < endMs) await delay(AGAIN_MS);
    else if (code === 'EADDRINUSE')
      throw new AttuneError('port.refused', `port ${port} of ${host} is taken by another process; ${variables.port} names another port`);
    else {
      const names = variables.host === null ? variables.port : `${variables.host} and ${variables.port}`;
      throw new AttuneError('port.refused', `nothing can listen at ${host}:${port} (${code}); look at ${names}`);
    }
  }
};

/** Null: it can be had; else the code of the fault. */
const tryPort = async (host: string, port: number): Promise<string | null> => {
  const server = createServer().listen({ host, port, exclusive: true });
  try {
    await once(server, 'listening');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
  server.close();
  await once(server, 'close');
  return null;
};
