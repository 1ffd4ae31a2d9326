/** Every key: SCAN goes through whole nodes, one after the other. */
import { EngineUnavailable } from '#contracts';
import { recordKindOf } from '../companion.ts';
import type { StateKey } from '../port.ts';
import { BUCKETS, bucketOf } from './buckets.ts';
import type { Call, Commands, Reply } from './commands.ts';
import { keyOfLink, wholeLink, type Keys } from './keys.ts';
import type { Node } from './node.ts';
import type { Nodes } from './nodes.ts';

export interface ScanDeps {
  readonly nodes: Nodes;
  readonly commands: Commands;
  readonly keys: Keys;
}

const COUNT = 1_000;

interface Entry {
  readonly key: StateKey;
  readonly shard: number;
  readonly value: Buffer;
}

/** SCAN may name a key twice while its table changes; to remember all names would cost more than whoever meets one again. */
export async function* scan({ nodes, commands, keys }: ScanDeps, kind?: 'state' | 'waiting'): AsyncGenerator<Entry> {
  const owners = ownersOf(nodes);
  await refuseMoves(nodes, owners);
  for (const node of new Set(owners)) {
    let cursor = '0';
    do {
      const [next, names] = (await node.bulk.callBuffer('SCAN', cursor, 'MATCH', keys.scanPattern, 'COUNT', COUNT)) as [Buffer, Buffer[]];
      cursor = next.toString('latin1');
      const found = names.flatMap((name) => {
        const parsed = keys.parse(name);
        if (parsed === null || (kind !== undefined && parsed.kind === 'links')) return [];
        // What waits stands under the id of a decision.
        return kind === 'waiting' && keys.links(parsed.key, parsed.shard) === null ? [] : [{ ...parsed, name }];
      });
      const calls = found.map(({ kind: of, shard, name }): Call => ({
        bucket: bucketOf(shard),
        run: of === 'state' ? 'GET' : 'HGETALL',
        args: [name],
      }));
      const replies = await commands.all(calls);
      for (const [i, { kind: of, shard, key }] of found.entries()) {
        const reply = replies[i]!;
        if (of === 'links') yield* linksOf(reply as readonly Reply[], shard);
        else if (reply !== null && (kind === undefined || recordKindOf(reply as Buffer) === kind))
          yield { key: Buffer.from(key), shard, value: reply as Buffer };
      }
    } while (cursor !== '0');
  }
  await refuseMoves(nodes, owners);
}

const ownersOf = (nodes: Nodes): readonly Node[] => Array.from({ length: BUCKETS }, (_, bucket) => nodes.of(bucket));

/** What moves from a node that is still to be scanned to one that has been is met on neither. */
const refuseMoves = async (nodes: Nodes, owners: readonly Node[]): Promise<void> => {
  if (!nodes.isCluster) return;
  await nodes.refresh();
  const moving = await Promise.all(nodes.owners().map(isMoving));
  if (!moving.includes(true) && owners.every((node, bucket) => nodes.of(bucket) === node)) return;
  throw new EngineUnavailable(
    'feature-store',
    'slots of the Redis Cluster move, and keys may be passed over while all are read; try again when the cluster is at rest',
  );
};

/** A slot of this node goes, or one comes: its line ends in [slot->-node] or [slot-<-node]. */
const isMoving = async ({ bulk }: Node): Promise<boolean> => /^\S+ \S+ myself\S* .*\[/m.test((await bulk.cluster('NODES')) as string);

function* linksOf(pairs: readonly Reply[], shard: number): Generator<Entry> {
  for (let i = 0; i < pairs.length; i += 2)
    yield { key: keyOfLink(pairs[i] as Buffer, shard), shard, value: wholeLink(pairs[i + 1] as Buffer) };
}
