/** What the doctor says of engines that are there. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runCommand } from './roles.ts';
import { withEngine } from './with-engine.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'attune-words-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));
const common = { ATTUNE_DATA_DIR: dataDir, ATTUNE_ID_KEY: 'k'.repeat(16) };

withEngine('kafka', (url) => {
  test.concurrent('the doctor of a Kafka prints findings and nothing of Node’s', async () => {
    const { output } = await runCommand(['doctor'], { ...common, KAFKA_BROKERS: url, KAFKA_TOPIC_PREFIX: 'words-' });
    expect(output).toMatch(/✓ Kafka at .*: 1 broker/);
    expect(output).not.toMatch(/TimeoutNegativeWarning/);
  });
});

withEngine('redis', (url) => {
  test.concurrent('a wrong password of Redis is not taken for a Redis that is away', async () => {
    const { output } = await runCommand(['doctor'], { ...common, REDIS_URL: url.replaceAll('redis://', 'redis://nobody:hush@') });
    expect(output).toMatch(/✗ Redis at .*WRONGPASS.*are user and password right \(REDIS_URL\)\?/);
    expect(output).not.toMatch(/is it running|hush/);
  });
});
