/**
 * The services of docker-compose.yml that are Attune's, with its commands and its variables, as processes of this machine: only the
 * addresses of the engines are others. What Docker adds is not shown.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { openWarehouse, startEmbeddedServer, type EmbeddedServer } from '#warehouse';
import { embeddedEnv } from '../embedded-env.ts';
import { freePort } from '../free-port.ts';
import { deleteTopics } from './delete-topics.ts';
import { startRedis, type RedisUnderTest } from './redis.ts';
import { startSchemaRegistry, type TestRegistry } from './schema-registry.ts';
import { withEngine } from './with-engine.ts';

interface Service {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}
const { services } = parse(readFileSync(new URL('../../docker-compose.yml', import.meta.url), 'utf8'), { merge: true }) as {
  readonly services: Readonly<Record<'prepare' | 'serve' | 'pipeline', Service>>;
};
const SECRET = 'c0ffee'.repeat(6);
const PREFIX = `compose${process.pid}.`;

withEngine('kafka', (kafka) => {
  describe('the Attune services of docker-compose.yml', () => {
    const dir = mkdtempSync(join(tmpdir(), 'attune-compose-'));
    const children: ChildProcess[] = [];
    let redis: RedisUnderTest;
    let registry: TestRegistry;
    let server: EmbeddedServer;
    beforeAll(async () => {
      // As the compose file starts it.
      redis = await startRedis({ args: ['--maxmemory', '256mb', '--maxmemory-policy', 'noeviction'] });
      registry = await startSchemaRegistry();
      server = await startEmbeddedServer({ dir: join(dir, 'clickhouse') });
    });
    afterAll(async () => {
      // Drained, not killed: a killed API would leave its workers, which write to the folder that is removed here.
      const running = children.filter((child) => child.exitCode === null);
      const gone = running.map((child) => once(child, 'exit'));
      for (const child of running) child.kill('SIGTERM');
      await Promise.all(gone);
      await Promise.all([redis.stop(), registry.stop(), server.stop(), deleteTopics(kafka.split(','), PREFIX)]);
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    }, 120_000);

    const start = (name: keyof typeof services, own: Readonly<Record<string, string>>): ChildProcess => {
      const given = Object.entries(services[name].environment).map(([variable, value]) => [
        variable,
        value.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1').replaceAll(/\$\{[^}]*\}/g, SECRET),
      ]);
      const here = {
        KAFKA_BROKERS: kafka,
        KAFKA_TOPIC_PREFIX: PREFIX,
        SCHEMA_REGISTRY_URL: registry.url,
        REDIS_URL: redis.url,
        CLICKHOUSE_URL: server.url,
        CLICKHOUSE_USER: 'pipeline',
        CLICKHOUSE_PASSWORD: server.users.pipeline,
        ATTUNE_API_KEYS: `all:decide+observe+read+admin:${SECRET}`,
        ATTUNE_PARTITIONS: '4',
        ATTUNE_LOG_LEVEL: 'silent',
        ATTUNE_DATA_DIR: join(dir, `${name}${children.length}`),
      };
      const child = spawn(process.execPath, [fileURLToPath(new URL('../../cli/attune.mjs', import.meta.url)), ...services[name].command], {
        env: { ...embeddedEnv(), ...Object.fromEntries(given), ...here, ...own },
        stdio: ['ignore', name === 'prepare' ? 'pipe' : 'inherit', 'inherit'],
      });
      children.push(child);
      return child;
    };
    const ready = (port: number, path: string) =>
      expect
        .poll(async () => (await fetch(`http://127.0.0.1:${port}${path}`).catch(() => null))?.status, { timeout: 180_000, interval: 200 })
        .toBe(200);

    test('prepare makes what is missing and ends with 0; then the loop runs, into the warehouse', { timeout: 420_000 }, async () => {
      const prepare = start('prepare', {});
      let said = '';
      prepare.stdout!.on('data', (part: Buffer) => (said += String(part)));
      const [code] = (await once(prepare, 'close')) as [number | null];
      expect(said).not.toContain('✗');
      expect(code).toBe(0);

      const [apiPort, onePort, otherPort] = await Promise.all([freePort(), freePort(), freePort()]);
      start('serve', { ATTUNE_PORT: String(apiPort) });
      start('pipeline', { ATTUNE_PIPELINE_PORT: String(onePort) });
      start('pipeline', { ATTUNE_PIPELINE_PORT: String(otherPort) });
      await Promise.all([ready(apiPort, '/readyz'), ready(onePort, '/healthz'), ready(otherPort, '/healthz')]);

      const response = await fetch(`http://127.0.0.1:${apiPort}/v1/decisions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${SECRET}` },
        body: JSON.stringify({ customerId: 'c-1', channel: 'app', direction: 'inbound' }),
      });
      expect(response.status).toBe(201);
      const { decisionId } = (await response.json()) as { decisionId: string };
      const warehouse = openWarehouse({ url: server.url, username: 'reader', password: server.users.reader });
      const rows = () =>
        warehouse
          .query<{ id: string }>('SELECT toString(decision_id) AS id FROM decisions FINAL')
          .catch((error: unknown) => [{ id: String(error) }]);
      await expect.poll(rows, { timeout: 60_000, interval: 250 }).toEqual([{ id: decisionId }]);
      await warehouse.close();
    });
  });
});
