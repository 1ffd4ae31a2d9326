/** A process that appends until its file limit refuses more, and prints what was acknowledged and how the rest was refused. */
import { AttuneError, TOPICS } from '#contracts';
import { openLmdbLog } from '../open-lmdb-log.ts';

process.on('SIGXFSZ', () => undefined);
const log = await openLmdbLog({ dir: process.argv[2]! });
let acknowledged = 0;
const codes = new Set<string>();
for (let turn = 0; turn < 60; turn += 1)
  try {
    acknowledged += (
      await log.append(Array.from({ length: 100 }, (_, shard) => ({ topic: TOPICS.events, shard, value: Buffer.alloc(900) })))
    ).length;
  } catch (error) {
    codes.add(error instanceof AttuneError ? error.code : String(error));
  }
process.stdout.write(`${JSON.stringify({ acknowledged, codes: [...codes] })}\n`, () => process.exit(0));
