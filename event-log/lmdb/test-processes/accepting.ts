/** A process that has numbered records accepted and prints each acknowledged one, until it is killed. */
import { TOPICS } from '#contracts';
import { openLmdbLog } from '../open-lmdb-log.ts';

const [dir, name] = process.argv.slice(2) as [string, string];
const log = await openLmdbLog({ dir });

async function accept(lane: number): Promise<void> {
  for (let turn = lane; ; turn += 8) {
    await log.accept!([{ topic: TOPICS.events, shard: turn, value: Buffer.from(`${name} ${turn}`) }]);
    process.stdout.write(`${name} ${turn}\n`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

await Promise.all(Array.from({ length: 8 }, (_, lane) => accept(lane)));
