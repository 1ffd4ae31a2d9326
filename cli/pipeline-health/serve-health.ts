/** The pipeline's /healthz (alive), /readyz (consuming) and /metrics (Prometheus): numbers only, so that they need no keys. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HealthServer {
  readonly port: number;
  stop(): Promise<void>;
}

export interface HealthOptions {
  readonly host: string;
  readonly port: number;
  /** Null when every role consumes; else what is still missing. */
  readonly missing: () => string | null;
  /** Engines that do not answer while the roles consume: they wait for them. */
  readonly degraded: () => readonly string[];
  readonly metrics: () => Promise<string>;
  readonly onError: (error: unknown) => void;
}

const PLAIN = { 'content-type': 'text/plain; charset=utf-8' };
const PROMETHEUS = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };

/** Rejects when it cannot listen. */
export const serveHealth = async ({ host, port, missing, degraded, metrics, onError }: HealthOptions): Promise<HealthServer> => {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    if (path === '/healthz') {
      response.writeHead(200, PLAIN).end('ok\n');
    } else if (path === '/readyz') {
      const reason = missing();
      const waitsFor = degraded();
      const well = waitsFor.length === 0 ? 'ok\n' : `ok\ndegraded: ${waitsFor.join(', ')}\n`;
      response.writeHead(reason === null ? 200 : 503, PLAIN).end(reason === null ? well : `not ready: ${reason}\n`);
    } else if (path === '/metrics') {
      metrics().then(
        (text) => response.writeHead(200, PROMETHEUS).end(text),
        (error: unknown) => {
          onError(error);
          response.writeHead(500, PLAIN).end('the metrics could not be gathered; the log of the process says why\n');
        },
      );
    } else {
      response.writeHead(404, PLAIN).end('there are /healthz, /readyz and /metrics\n');
    }
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
    },
  };
};
