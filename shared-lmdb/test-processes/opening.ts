/** A process that opens an environment and closes it again, over and over, until it is killed. */
import { openSharedLmdb } from '../open-shared-lmdb.ts';

const [path] = process.argv.slice(2) as [string];
process.stdout.write('ready\n');
for (;;) await openSharedLmdb({ path }).close();
