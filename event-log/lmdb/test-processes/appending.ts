/** A process that appends numbered records and prints the position of each acknowledged one, until it is killed or has done `count`. */
import { TOPICS } from '#contracts';
import { openLmdbLog } from '../open-lmdb-log.ts';

const [dir, name, count] = process.argv.slice(2) as [string, string, string];
const log = await openLmdbLog({ dir });

async function append(lane: number): Promise<void> {
  for (let turn = lane; turn < Number(count); turn += 8) {
    const [position] = await log.append([{ topic: TOPICS.events, shard: turn, value: Buffer.from(`${name} ${turn}`) }]);
    process.stdout.write(`${position!.partition} ${position!.offset} ${name} ${turn}\n`);
  }
}

await Promise.all(Array.from({ length: 8 }, (_, lane) => append(lane)));
await log.close();
