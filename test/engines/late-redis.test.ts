/** `attune serve` that starts while Redis is away: it answers, says so, and is whole when Redis comes, without a restart. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { freePort } from '../free-port.ts';
import { createSend } from '../send.ts';
import { untilReady } from '../system.ts';
import { redisIsMissing, startRedis } from './redis.ts';
import { runCommand, startRole, type RoleProcess } from './roles.ts';

const missing = await redisIsMissing();

interface Decision {
  readonly degraded: readonly string[] | null;
}

// Each has a Redis and roles of its own, and waits for them most of its time.
describe.skipIf(missing !== null)(`Redis that comes late${missing === null ? '' : ` (needs ${missing})`}`, { concurrent: true }, () => {
  test('the API starts without it, and its decisions become whole when it is there', { timeout: 180_000 }, async ({ expect }) => {
    const dir = mkdtempSync(join(tmpdir(), 'attune-late-redis-'));
    const redis = await startRedis();
    await redis.kill();
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const send = createSend(url);
    const serve = startRole(['serve'], {
      REDIS_URL: redis.url,
      ATTUNE_DATA_DIR: dir,
      ATTUNE_ID_KEY: 'a key for the late Redis',
      ATTUNE_PORT: String(port),
    });
    const readyz = async (): Promise<unknown> => (await fetch(`${url}/readyz`)).json();
    const decide = (): Promise<Decision> => send('POST', '/v1/decisions', { customerId: 'c-1', channel: 'app' });
    const features = async (): Promise<boolean> => (await decide()).degraded?.includes('features') === true;
    try {
      await untilReady(url, undefined, 60_000);
      expect(await features()).toBe(true);
      await expect.poll(readyz, { timeout: 10_000 }).toEqual({ status: 'ok', degraded: ['features'] });

      await redis.start();
      await expect.poll(features, { timeout: 20_000, interval: 200 }).toBe(false);
      await expect.poll(readyz, { timeout: 10_000 }).toEqual({ status: 'ok' });

      await redis.kill();
      await expect.poll(readyz, { timeout: 10_000 }).toEqual({ status: 'ok', degraded: ['features'] });
      await redis.start();
      await expect.poll(readyz, { timeout: 10_000 }).toEqual({ status: 'ok' });
      expect(serve.tail().match(/the feature store does not answer|the feature store answers again/g)).toEqual([
        'the feature store does not answer',
        'the feature store answers again',
        'the feature store does not answer',
        'the feature store answers again',
      ]);
    } catch (error) {
      throw new Error(`${String(error)}\n${serve.tail()}`, { cause: error });
    } finally {
      await serve.stop();
      await redis.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('one that comes and cannot be used ends the API with a sentence, for good', { timeout: 180_000 }, async ({ expect }) => {
    const dir = mkdtempSync(join(tmpdir(), 'attune-late-redis-'));
    const redis = await startRedis();
    await redis.kill();
    const port = await freePort();
    const serve = startRole(['serve'], {
      REDIS_URL: `${redis.url},redis://127.0.0.1:1`,
      ATTUNE_DATA_DIR: dir,
      ATTUNE_ID_KEY: 'a key for the late Redis',
      ATTUNE_PORT: String(port),
    });
    try {
      await untilReady(`http://127.0.0.1:${port}`, undefined, 60_000);
      await redis.start();
      expect(await serve.ended()).toBe(78);
      expect(serve.tail()).toMatch(/is no Redis Cluster; give one/);
      expect(serve.tail()).toMatch(/"stopped"/);
    } finally {
      await serve.stop();
      await redis.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test(
    'another id key than the store was filled under is refused by all, also when Redis comes late',
    { timeout: 180_000 },
    async ({ expect }) => {
      const dir = mkdtempSync(join(tmpdir(), 'attune-other-key-'));
      const redis = await startRedis();
      const [port, pipelinePort] = await Promise.all([freePort(), freePort()]);
      const url = `http://127.0.0.1:${port}`;
      const env = {
        REDIS_URL: redis.url,
        ATTUNE_DATA_DIR: dir,
        ATTUNE_PORT: String(port),
        ATTUNE_PIPELINE_PORT: String(pipelinePort),
        ATTUNE_ID_KEY: 'the key of the first process',
      };
      const other = { ...env, ATTUNE_ID_KEY: 'a key that was never used' };
      const REFUSED = /ATTUNE_ID_KEY is another key/;
      const pipeline = startRole(['pipeline', '--roles', 'state'], env);
      let late: RoleProcess | null = null;
      try {
        const readyz = async (): Promise<string> => (await fetch(`http://127.0.0.1:${pipelinePort}/readyz`)).text();
        await untilReady(`http://127.0.0.1:${pipelinePort}`, undefined, 60_000);
        const [ofServe, ofPipeline, ofDoctor, content] = await Promise.all([
          runCommand(['serve'], { ...other, ATTUNE_PORT: '0' }),
          runCommand(['pipeline'], { ...other, ATTUNE_PIPELINE_PORT: '0' }),
          runCommand(['doctor'], other),
          runCommand(['doctor'], env),
        ]);
        expect(ofServe).toEqual({ code: 78, output: expect.stringMatching(REFUSED) });
        expect(ofPipeline).toEqual({ code: 78, output: expect.stringMatching(REFUSED) });
        expect(ofDoctor).toEqual({ code: 1, output: expect.stringMatching(REFUSED) });
        expect(content.output).toMatch(/✓ Redis was filled under this ATTUNE_ID_KEY/);

        await redis.kill();
        await expect.poll(readyz, { timeout: 10_000 }).toBe('ok\ndegraded: features\n');
        late = startRole(['serve'], other);
        await untilReady(url, undefined, 60_000);
        await redis.start();
        await expect.poll(readyz, { timeout: 10_000 }).toBe('ok\n');
        expect(await late.ended()).toBe(78);
        expect(late.tail()).toMatch(REFUSED);
        expect(late.tail()).toMatch(/"stopped"/);
      } catch (error) {
        throw new Error(`${String(error)}\n${pipeline.tail()}\n----\n${late?.tail()}`, { cause: error });
      } finally {
        await Promise.all([pipeline.stop(), late?.stop()]);
        await redis.stop();
        rmSync(dir, { recursive: true, force: true });
      }
    },
  );
});
