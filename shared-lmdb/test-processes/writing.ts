/** Writes five times to the environment at the path given, and ends. */
import { openSharedLmdb } from '../open-shared-lmdb.ts';

const root = openSharedLmdb({ path: process.argv[2]! });
for (let value = 1; value <= 5; value += 1) await root.transaction(() => root.putSync(Buffer.from('theirs'), Buffer.of(value)));
await root.close();
