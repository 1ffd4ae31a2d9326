/** A process that opens an environment and closes it again, over and over, until it is killed or its parent is gone. */
import { openSharedLmdb } from '../open-shared-lmdb.ts';

const [path] = process.argv.slice(2) as [string];
const parent = process.ppid;
process.stdout.write('ready\n');
while (process.ppid === parent) await openSharedLmdb({ path }).close();
