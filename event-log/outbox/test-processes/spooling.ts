/** A process whose log is away: it accepts numbered records and prints each acknowledged one, until it is killed. */
import { EngineUnavailable, TOPICS } from '#contracts';
import { openOutboxLog } from '../open-outbox-log.ts';

const [dir, name] = process.argv.slice(2) as [string, string];
const log = await openOutboxLog({
  openLog: () => Promise.reject(new EngineUnavailable('event-log', 'no broker is reachable')),
  dir,
  maxBytes: 100_000_000,
  patienceMs: 0,
});

async function accept(lane: number): Promise<void> {
  for (let turn = lane; ; turn += 8) {
    await log.accept([{ topic: TOPICS.events, shard: lane, value: Buffer.from(`${name} ${turn}`) }]);
    process.stdout.write(`${name} ${turn}\n`);
  }
}

await Promise.all(Array.from({ length: 8 }, (_, lane) => accept(lane)));
