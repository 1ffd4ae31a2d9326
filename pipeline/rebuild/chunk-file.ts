/** A file of a snapshot: some thousands of stored values; its keys in plain, so that an erasure finds them without unpacking, its values compressed. */
import { createHash } from 'node:crypto';
import { open, readFile, rename, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import { AttuneError } from '#contracts';

export interface ChunkRecord {
  /** 16 bytes */
  readonly key: Buffer;
  readonly shard: number;
  readonly value: Buffer;
}

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** "ATSN" and the format's version. */
const MAGIC = Buffer.from([0x41, 0x54, 0x53, 0x4e, 1]);
const HEAD = MAGIC.length + 4;
const PLACE = 18;
const DIGEST = 32;

/**
 * `MAGIC · count u32 · count × (key 16, shard u16) · zstd(count × (length u32, value)) · SHA-256 of all before`. The file appears whole,
 * in place of an older one of its name, and is flushed.
 */
export const writeChunk = async (path: string, records: readonly ChunkRecord[]): Promise<void> => {
  const head = Buffer.alloc(HEAD + records.length * PLACE);
  MAGIC.copy(head);
  head.writeUInt32BE(records.length, MAGIC.length);
  const parts: Buffer[] = [];
  records.forEach(({ key, shard, value }, i) => {
    key.copy(head, HEAD + i * PLACE, 0, 16);
    head.writeUInt16BE(shard, HEAD + i * PLACE + 16);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(value.length);
    parts.push(length, value);
  });
  const body = await compress(Buffer.concat(parts));
  const digest = createHash('sha256').update(head).update(body).digest();
  await writeFile(`${path}.new`, Buffer.concat([head, body, digest]), { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
};

/** Throws `snapshot.corrupt` when the file is not as it was written. */
export const readChunk = async (path: string): Promise<ChunkRecord[]> => {
  const { bytes, count } = await readWhole(path);
  const body = await decompress(bytes.subarray(HEAD + count * PLACE, -DIGEST));
  const records: ChunkRecord[] = [];
  for (let i = 0, at = 0; i < count; i++) {
    const length = body.readUInt32BE(at);
    records.push({ ...placeAt(bytes, i), value: body.subarray(at + 4, at + 4 + length) });
    at += 4 + length;
  }
  return records;
};

/** The keys alone, and only they are read: the digest is not checked. */
export const readChunkKeys = async (path: string): Promise<Buffer[]> => {
  const file = await open(path);
  try {
    const head = Buffer.alloc(HEAD);
    await file.read(head, 0, HEAD, 0);
    const count = head.readUInt32BE(MAGIC.length);
    const bytes = Buffer.alloc(HEAD + count * PLACE);
    await file.read(bytes, 0, bytes.length, 0);
    return Array.from({ length: count }, (_, i) => placeAt(bytes, i).key);
  } finally {
    await file.close();
  }
};

const readWhole = async (path: string): Promise<{ readonly bytes: Buffer; readonly count: number }> => {
  const bytes = await readFile(path);
  const whole = bytes.length >= HEAD + DIGEST && bytes.subarray(0, MAGIC.length).equals(MAGIC);
  if (!whole || !createHash('sha256').update(bytes.subarray(0, -DIGEST)).digest().equals(bytes.subarray(-DIGEST))) {
    throw new AttuneError(
      'snapshot.corrupt',
      `${path} is not what was written (${bytes.length} bytes); rebuild from an older snapshot or --from-log`,
    );
  }
  return { bytes, count: bytes.readUInt32BE(MAGIC.length) };
};

const placeAt = (bytes: Buffer, i: number): { readonly key: Buffer; readonly shard: number } => {
  const at = HEAD + i * PLACE;
  return { key: bytes.subarray(at, at + 16), shard: bytes.readUInt16BE(at + 16) };
};
