/** Every key of some shards: SCAN goes through whole nodes, so a scan of one partition reads the names of all. */
import type { StateKey } from '../port.ts';
import { bucketOf } from './buckets.ts';
import type { Call, Commands, Reply } from './commands.ts';
import { keyOfLink, wholeLink, type Keys } from './keys.ts';
import type { Nodes } from './nodes.ts';

export interface ScanDeps {
  readonly nodes: Nodes;
  readonly commands: Commands;
  readonly keys: Keys;
  readonly isWanted: (shard: number) => boolean;
}

const COUNT = 1_000;

interface Entry {
  readonly key: StateKey;
  readonly shard: number;
  readonly value: Buffer;
}

export async function* scan({ nodes, commands, keys, isWanted }: ScanDeps): AsyncGenerator<Entry> {
  // SCAN may name a key twice, while its table grows or a slot moves.
  const seen = new Set<string>();
  for (const node of nodes.owners()) {
    let cursor = '0';
    do {
      const [next, names] = (await node.bulk.callBuffer('SCAN', cursor, 'MATCH', keys.scanPattern, 'COUNT', COUNT)) as [Buffer, Buffer[]];
      cursor = next.toString('latin1');
      const found = names.flatMap((name) => {
        const parsed = keys.parse(name);
        if (parsed === null || !isWanted(parsed.shard) || seen.has(name.toString('latin1'))) return [];
        seen.add(name.toString('latin1'));
        return [{ ...parsed, name }];
      });
      const calls = found.map(({ kind, shard, name }): Call => ({
        bucket: bucketOf(shard),
        run: kind === 'state' ? 'GET' : 'HGETALL',
        args: [name],
      }));
      const replies = await commands.all(calls);
      for (const [i, { kind, shard, key }] of found.entries()) {
        const reply = replies[i]!;
        if (kind === 'state') {
          if (reply !== null) yield { key: Buffer.from(key), shard, value: reply as Buffer };
        } else yield* linksOf(reply as readonly Reply[], shard);
      }
    } while (cursor !== '0');
  }
}

function* linksOf(pairs: readonly Reply[], shard: number): Generator<Entry> {
  for (let i = 0; i < pairs.length; i += 2)
    yield { key: keyOfLink(pairs[i] as Buffer, shard), shard, value: wholeLink(pairs[i + 1] as Buffer) };
}
