import { defineConfig } from 'vitest/config';

// `unit` (beside the code), `system` (embedded, end to end), `engines` (on real engines), `faults` (kill -9 under load).
const exclude = ['**/node_modules/**', '**/data/**'];
export default defineConfig({
  test: {
    projects: [
      // One module graph for all files: what they load is a fifth of their time, and nothing in it is kept from one test for the next.
      { test: { name: 'unit', include: ['**/*.test.ts'], exclude: [...exclude, 'test/**'], testTimeout: 60_000, isolate: false } },
      { test: { name: 'system', include: ['test/*.test.ts'], exclude, testTimeout: 120_000, hookTimeout: 60_000, fileParallelism: false } },
      {
        test: {
          name: 'engines',
          include: ['test/engines/**/*.test.ts'],
          exclude,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          globalSetup: ['test/engines/global-setup.ts'],
        },
      },
      { test: { name: 'faults', include: ['test/faults/**/*.test.ts'], exclude, testTimeout: 900_000, fileParallelism: false } },
    ],
  },
});
