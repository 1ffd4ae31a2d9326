/** A process whose log is there: it adopts what others left, prints that it has begun, then accepts records of its own, until it is killed. */
import { TOPICS } from '#contracts';
import { openLmdbLog } from '../../lmdb/open-lmdb-log.ts';
import { openOutboxLog } from '../open-outbox-log.ts';

const [dir, logDir, name] = process.argv.slice(2) as [string, string, string];
const log = await openOutboxLog({ openLog: () => openLmdbLog({ dir: logDir }), dir, maxBytes: 100_000_000 });
process.stdout.write('begun\n');
for (let turn = 0; ; turn += 1) {
  await log.accept([{ topic: TOPICS.events, shard: turn, value: Buffer.from(`${name} ${turn}`) }]);
  process.stdout.write(`${name} ${turn}\n`);
}
