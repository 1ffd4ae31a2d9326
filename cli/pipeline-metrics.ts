/** The pipeline's /metrics and /healthz on a loopback port, in Prometheus' text format. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Role } from '#pipeline';

export interface MetricsServer {
  readonly port: number;
  stop(): Promise<void>;
}

export const serveMetrics = async (roles: readonly Role[], port: number): Promise<MetricsServer> => {
  const server = createServer((request, response) => {
    if (request.url === '/healthz') return response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n');
    if (request.url !== '/metrics') return response.writeHead(404).end();
    return response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(metricsText(roles));
  });
  server.listen(port, '127.0.0.1');
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

/** Gauges all: a role's counters begin at zero with its process, and Prometheus is told no more than we know. */
const metricsText = (roles: readonly Role[]): string =>
  roles
    .flatMap((role) =>
      Object.entries(role.metrics()).map(([name, value]) => {
        const metric = `attune_${role.name}_${name
          .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
          .replaceAll(/\W+/g, '_')
          .toLowerCase()}`;
        return `# TYPE ${metric} gauge\n${metric} ${Number.isFinite(value) ? value : 'NaN'}\n`;
      }),
    )
    .join('');
