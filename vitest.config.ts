import { defineConfig } from 'vitest/config';

// Three projects: `unit` (beside the code), `engines` (contracts on real engines, end to end), `faults` (kill -9 under load).
const exclude = ['**/node_modules/**', '**/data/**'];
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['**/*.test.ts'], exclude: [...exclude, 'test/**'], testTimeout: 30_000 } },
      {
        test: {
          name: 'engines',
          include: ['test/**/*.test.ts'],
          exclude: [...exclude, 'test/faults/**'],
          testTimeout: 120_000,
          fileParallelism: false,
          globalSetup: ['test/engines/global-setup.ts'],
        },
      },
      { test: { name: 'faults', include: ['test/faults/**/*.test.ts'], exclude, testTimeout: 900_000, fileParallelism: false } },
    ],
  },
});
