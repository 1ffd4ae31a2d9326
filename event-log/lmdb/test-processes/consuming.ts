/** A process that consumes as a member of a group and prints each record, until it is killed. */
import { TOPICS } from '#contracts';
import { openLmdbLog } from '../open-lmdb-log.ts';

const [dir, group] = process.argv.slice(2) as [string, string];
const log = await openLmdbLog({ dir });
log.consume({
  group,
  topics: [TOPICS.events],
  onBatch: async ({ records }) => {
    for (const { partition, offset, value } of records) process.stdout.write(`${partition} ${offset} ${value.toString()}\n`);
  },
});
process.stdout.write('ready\n');
