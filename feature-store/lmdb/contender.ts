/** One of several processes that add to the same states and want the same places, for the tests of exactness: run with a directory and how often to add. */
import { openLmdbFeatureStore } from './open-lmdb-feature-store.ts';

const [dir, times] = process.argv.slice(2);
const store = await openLmdbFeatureStore({ dir: dir!, partitions: 2 });
let added = 0;
let granted = 0;
while (added < Number(times)) {
  const key = Buffer.alloc(16, added % 3);
  const was = await store.states.read(key, added % 3);
  const value = Buffer.alloc(8);
  value.writeUInt32BE((was?.readUInt32BE() ?? 0) + 1);
  const timer = { from: was === null ? null : was.readUInt32BE(), to: value.readUInt32BE() };
  const [result] = await store.states.commit([
    { key, value, shard: added % 3, expected: was === null ? null : was.subarray(0, 4), companions: [], timer },
  ]);
  if (result !== 'committed') continue;
  added++;
  const holder = Buffer.from(`${process.pid}/${added}`);
  if (await store.reservations.reserve('cap', holder, { nowMs: 1, untilMs: 2, max: 100 })) granted++;
}
await store.close();
process.stdout.write(String(granted));
