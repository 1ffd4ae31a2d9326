/** Whom a batch is about: the customers of a file, or those whom a scan of the store finds; each once. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { AttuneError, customerKeyFromBytes, parseCustomerId, shardOf } from '#contracts';
import type { CustomerKey, CustomerKeyFunction } from '#contracts';
import { openSource } from '#pipeline';
import type { BatchPerson, Members } from '#pipeline';

/** @param known those who are left out; grows by those who are named */
export async function* peopleOfFile(path: string, customerKey: CustomerKeyFunction, known: Set<CustomerKey>): AsyncGenerator<BatchPerson> {
  for await (const id of idsOf(path)) {
    if (id.trim() === '') continue;
    const customerId = parseCustomerId(id.trim());
    const key = customerKey({ kind: 'customer', id: customerId });
    if (known.has(key)) continue;
    known.add(key);
    yield { customerId, key, shard: shardOf(customerId) };
  }
}

export function* peopleOfScan(members: Members, known: Set<CustomerKey>): Generator<BatchPerson> {
  for (let i = 0; i < members.count; i++) {
    const [{ key: bytes, shard }] = members.list(i, i + 1) as [{ key: Buffer; shard: number }];
    const key = customerKeyFromBytes(bytes);
    if (known.has(key)) continue;
    known.add(key);
    yield { customerId: null, key, shard };
  }
}

/** A line each, or the column customerId of a table. */
async function* idsOf(path: string): AsyncGenerator<string> {
  if (/\.txt$/i.test(path)) {
    yield* createInterface({ input: createReadStream(path), crlfDelay: Infinity });
    return;
  }
  const source = await openSource(path);
  const column = source.columns.indexOf('customerId');
  if (column < 0) throw new AttuneError('config.invalid', `--customers: ${path} has no column customerId (${source.columns.join(', ')})`);
  for await (const { records } of source.records(0))
    for (const { line, values, fault } of records) {
      if (fault !== null) throw new AttuneError('config.invalid', `--customers: ${path}:${line} ${fault}`);
      const id = values[column];
      if (typeof id === 'string' || typeof id === 'number') yield String(id);
    }
}
