/** ClickHouse's own code reads our records by its format AvroConfluent and the registry, as its Kafka table engine does (docs/reading-topics.md). */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { TOPICS } from '../../contracts/index.ts';
import { createRegistryClient, createRegistryWire } from '../../event-log/index.ts';
import { anEvent } from '../../pipeline/test-world.ts';
import { startSchemaRegistry } from './schema-registry.ts';

const chdb = ((): string | null => {
  try {
    return createRequire(import.meta.url).resolve('chdb');
  } catch {
    return null;
  }
})();

describe.skipIf(chdb === null)('ClickHouse reads our topics', () => {
  test('a value in Confluent’s wire format gives its fields, found by the registry', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'attune-avro-confluent-'));
    const registry = await startSchemaRegistry();
    try {
      const wire = createRegistryWire({ registry: createRegistryClient({ url: registry.url }) });
      const values = [1, 2].map((number) => anEvent(`c-${number}`, `e-${number}`, 'bill.issued', { amount: number }).value as Buffer);
      const framed = await Promise.all(values.map(async (value) => wire.toWire(TOPICS.events, value)));
      const file = join(dir, 'values');
      writeFileSync(file, Buffer.concat(framed));
      const columns = 'id String, type String, subjectId Nullable(String), data String';
      const sql = `SELECT * FROM file('${file}', 'AvroConfluent', '${columns}') SETTINGS format_avro_schema_registry_url = '${registry.url}'`;
      // In a process of its own: it holds the thread while it asks the registry, which answers from this one.
      const script = `process.stdout.write(require(${JSON.stringify(chdb)}).query(${JSON.stringify(sql)}, 'JSONEachRow'))`;
      const { stdout } = await promisify(execFile)(process.execPath, ['-e', script]);
      const rows = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
      expect(rows).toEqual(
        [1, 2].map((number) => ({ id: `e-${number}`, type: 'bill.issued', subjectId: `c-${number}`, data: `{"amount":${number}}` })),
      );
    } finally {
      await registry.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
