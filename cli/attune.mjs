#!/usr/bin/env node
/** The `attune` command: makes sure of Node 24, then hands over to main.ts. */
import { fileURLToPath } from 'node:url';
import { nodeToUse, runUnder } from './node24.mjs';

const node = nodeToUse();
if (node === null) {
  const { main } = await import('./main.ts');
  await main(process.argv.slice(2));
} else {
  process.exit(await runUnder(node, fileURLToPath(import.meta.url), process.argv.slice(2)));
}
