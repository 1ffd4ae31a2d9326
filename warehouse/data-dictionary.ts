/** `npm run docs:dictionary`: writes docs/data-dictionary.md from a fresh embedded warehouse. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openWarehouse } from './client/open-warehouse.ts';
import { describeWarehouse } from './describe-warehouse.ts';
import { startEmbeddedServer } from './server/start-embedded-server.ts';

const dir = mkdtempSync(path.join(os.tmpdir(), 'attune-dictionary-'));
const server = await startEmbeddedServer({ dir });
const warehouse = openWarehouse({ url: server.url, username: 'pipeline', password: server.users.pipeline });
await warehouse.migrate();
writeFileSync(new URL('../docs/data-dictionary.md', import.meta.url), await describeWarehouse(warehouse));
await warehouse.close();
await server.stop();
rmSync(dir, { recursive: true, force: true });
