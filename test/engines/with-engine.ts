/** A suite that needs an engine: it runs against the one that was found, or is skipped under a name that says what is missing. */
import { describe, inject, test } from 'vitest';

const NAMES = { kafka: 'Apache Kafka', redis: 'Redis', redisCluster: 'a Redis Cluster' } as const;

export const withEngine = (engine: keyof typeof NAMES, suite: (url: string) => void): void => {
  const found = inject(engine);
  if (found.url !== null) suite(found.url);
  else
    describe(`${NAMES[engine]} is not here, and needs ${found.missing}`, () => {
      test.skip('its suites', () => {});
    });
};
