import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSharedLmdb } from './open-shared-lmdb.ts';

const COUNT = Buffer.from('count');
const OPENING = fileURLToPath(new URL('test-processes/opening.ts', import.meta.url));
const WRITING = fileURLToPath(new URL('test-processes/writing.ts', import.meta.url));

describe('an LMDB environment that processes share', { timeout: 60_000 }, () => {
  let path: string;
  let root: ReturnType<typeof openSharedLmdb>;
  let processes: ChildProcess[];

  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'attune-lmdb-'));
    root = openSharedLmdb({ path });
    processes = [];
  });

  afterEach(async () => {
    await Promise.all(processes.map(kill));
    await root.close();
    await rm(path, { recursive: true });
  });

  it('loses no commit while other processes open it', async () => {
    processes = [1, 2].map(() => spawn(process.execPath, [OPENING, path], { stdio: ['ignore', 'pipe', 'inherit'] }));
    await Promise.all(processes.map(({ stdout }) => once(stdout!, 'data')));
    const counts: number[] = [];
    for (let turn = 0; turn < 1_000; turn += 1) counts.push(await root.transaction(increment));
    expect(counts).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1));
  });

  it('begins on the newest commit, however far the lock file was put back, and for whom', async () => {
    for (let count = 1; count <= 8; count += 1) await root.transaction(increment);
    putBack(1);
    expect(await root.transaction(increment)).toBe(9);
    putBack(2);
    expect(await Promise.all([1, 2, 3].map(() => root.transaction(increment)))).toEqual([10, 11, 12]);
    putBack(3);
    expect(root.transactionSync(increment)).toBe(13);
    putBack(1);
    root.putSync(Buffer.from('other'), Buffer.from('value'));
    putBack(1);
    const table = root.openDB<Buffer, Buffer>({ name: 'table', encoding: 'binary', keyEncoding: 'binary' });
    putBack(1);
    await root.transaction(() => table.putSync(COUNT, Buffer.from('of the table')));
    root.resetReadTxn();
    expect([root.getBinary(COUNT)!.readUInt32LE(), String(root.getBinary(Buffer.from('other'))), String(table.getBinary(COUNT))]).toEqual([
      13,
      'value',
      'of the table',
    ]);
  });

  it('is right again as soon as it is opened, also where nobody writes', async () => {
    await root.transaction(increment);
    await root.transaction(increment);
    putBack(1);
    const child = spawn(process.execPath, [OPENING, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    processes = [child];
    await expect
      .poll(
        () => {
          root.resetReadTxn();
          return root.getBinary(COUNT)!.readUInt32LE();
        },
        { timeout: 20_000 },
      )
      .toBe(2);
  });

  it('can be closed after another process put the number back, died, and nobody writes any more', async () => {
    await root.transaction(increment);
    await once(spawn(process.execPath, [WRITING, path], { stdio: 'inherit' }), 'close');
    putBack(1);
    await root.close();
    root = openSharedLmdb({ path });
    expect(root.getBinary(Buffer.from('theirs'))).toEqual(Buffer.of(5));
  });

  it('can be closed while transactions are under way, and they are kept', async () => {
    for (let turn = 1; turn <= 20; turn += 1) {
      const writes = [1, 2, 3].map(() => root.transaction(increment));
      await new Promise((resolve) => setImmediate(resolve));
      await root.close();
      await Promise.all(writes);
      root = openSharedLmdb({ path });
      expect(root.getBinary(COUNT)!.readUInt32LE()).toBe(3 * turn);
    }
  });

  function increment(): number {
    const next = (root.getBinary(COUNT)?.readUInt32LE() ?? 0) + 1;
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(next);
    root.putSync(COUNT, bytes);
    return next;
  }

  /** What an opening process does that read the data file before the last `commits`, and stores what it read after them. */
  function putBack(commits: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(newest() - commits));
    // Never closed, for that would drop this process's locks on the file.
    writeSync(openSync(join(path, 'lock.mdb'), 'r+'), bytes, 0, 8, 8);
  }

  function newest(): number {
    return (root.getStats() as { readonly lastTxnId: number }).lastTxnId;
  }
});

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}
