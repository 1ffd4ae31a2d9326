/** Opens the engines once for all engine suites of a run, and hands their addresses to them. */
import type { TestProject } from 'vitest/node';
import { findEngines, type Found } from './find-engines.ts';

declare module 'vitest' {
  interface ProvidedContext {
    kafka: Found;
    redis: Found;
    redisCluster: Found;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const engines = await findEngines();
  for (const name of ['kafka', 'redis', 'redisCluster'] as const) project.provide(name, engines[name]);
  return () => engines.stop();
}
