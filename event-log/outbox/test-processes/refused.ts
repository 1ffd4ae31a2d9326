/** A process whose log is away and whose disk soon takes no more: it prints what was accepted, what was refused, and what is open. */
import { readdirSync } from 'node:fs';
import { AttuneError, EngineUnavailable, TOPICS } from '#contracts';
import { openOutboxLog } from '../open-outbox-log.ts';

const [dir] = process.argv.slice(2) as [string];
let nowMs = Date.now();
const log = await openOutboxLog({
  openLog: () => Promise.reject(new EngineUnavailable('event-log', 'no broker is reachable')),
  dir,
  maxBytes: 100_000_000,
  patienceMs: 0,
  clock: () => nowMs,
});
const accepted: string[] = [];
const refused: string[] = [];
const descriptors = (): number => readdirSync('/proc/self/fd').length;
const before = descriptors();
for (let turn = 0; turn < 100; turn += 1) {
  const text = `${turn} ${'x'.repeat(1_000)}`;
  // Past each rest: every one of them asks the disk.
  nowMs += 2_000;
  await log.accept([{ topic: TOPICS.events, shard: 0, value: Buffer.from(text) }]).then(
    () => accepted.push(text),
    (error: unknown) => refused.push(error instanceof AttuneError ? error.code : String(error)),
  );
}
process.stdout.write(JSON.stringify({ accepted, refused, descriptors: [before, descriptors()] }), () => process.exit(0));
