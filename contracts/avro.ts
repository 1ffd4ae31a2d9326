/** Avro's single-object encoding: two marker bytes, the schema's CRC-64-AVRO fingerprint, the body; every released version stays readable. */
import avro from 'avsc';
import { AttuneError } from './errors.ts';

const EMPTY = 0xc15d213aa4d7a795n;
const TABLE = Array.from({ length: 256 }, (_, i) => {
  let f = BigInt(i);
  for (let j = 0; j < 8; j++) f = (f >> 1n) ^ (f & 1n ? EMPTY : 0n);
  return f;
});

/** CRC-64-AVRO, little-endian (Apache Avro specification, "Schema Fingerprints"). 8 bytes. */
export const fingerprint64 = (bytes: Uint8Array): Buffer => {
  let f = EMPTY;
  for (const byte of bytes) f = (f >> 8n) ^ TABLE[Number((f ^ BigInt(byte)) & 0xffn)]!;
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(f);
  return out;
};

/** 8 bytes: of the schema without words, defaults and order, so that texts which read the same bytes alike have the same. */
export const fingerprintOfType = (type: avro.Type): Buffer => fingerprint64(Buffer.from(JSON.stringify(type.schema()), 'utf8'));

export interface SchemaVersion {
  /** As JSON, with its words of documentation. */
  readonly schema: avro.Schema;
  /** 8 bytes. */
  readonly fingerprint: Buffer;
}

export interface RecordCodec<T> {
  readonly name: string;
  /** Every released version, oldest first; the last one writes. */
  readonly versions: readonly SchemaVersion[];
  /** The current schema, as JSON. */
  readonly schema: unknown;
  /** 8 bytes. */
  readonly fingerprint: Buffer;
  encode(value: T): Buffer;
  /** Throws `record.unreadable` with the reason; reads every released version into today's shape. */
  decode(bytes: Uint8Array): T;
}

export interface SchemaOptions {
  readonly name: string;
  /** Oldest first; the last one writes. */
  readonly versions: readonly avro.Schema[];
}

/** T must be the plain shape of the last schema version; numbers for longs (exact to 2^53). */
export const createRecordCodec = <T>({ name, versions }: SchemaOptions): RecordCodec<T> => {
  const types = versions.map((schema) => avro.Type.forSchema(schema, { wrapUnions: false }));
  const current = types.at(-1);
  if (current === undefined) throw new AttuneError('schema.none', `${name} has no schema version`);
  const prints = types.map(fingerprintOfType);
  const resolvers = types.map((type) => (type === current ? undefined : current.createResolver(type)));
  const fingerprint = prints.at(-1)!;
  const header = Buffer.concat([Buffer.from([0xc3, 0x01]), fingerprint]);

  /** Without an allocation: nearly every record is of the current version. */
  const low = header.readUInt32LE(2);
  const high = header.readUInt32LE(6);
  const isCurrent = (buffer: Buffer): boolean => buffer.readUInt32LE(2) === low && buffer.readUInt32LE(6) === high;

  return {
    name,
    versions: versions.map((schema, i) => ({ schema, fingerprint: prints[i]! })),
    schema: versions.at(-1),
    fingerprint,
    encode(value) {
      const body = current.toBuffer(value);
      const out = Buffer.allocUnsafe(10 + body.length);
      out.set(header, 0);
      out.set(body, 10);
      return out;
    },
    decode(bytes) {
      const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      if (buffer.length < 10 || buffer[0] !== 0xc3 || buffer[1] !== 0x01) {
        throw new AttuneError('record.unreadable', `${name}: not Avro single-object encoding (${buffer.length} bytes)`);
      }
      const version = isCurrent(buffer) ? versions.length - 1 : prints.findIndex((print) => print.equals(buffer.subarray(2, 10)));
      if (version < 0) throw new AttuneError('record.unreadable', `${name}: unknown schema ${buffer.subarray(2, 10).toString('hex')}`);
      try {
        // Records that hold `bytes` would otherwise alias the log's memory map.
        return current.fromBuffer(buffer.subarray(10), resolvers[version]) as T;
      } catch (cause) {
        throw new AttuneError('record.unreadable', `${name}: ${(cause as Error).message}`, { cause });
      }
    },
  };
};
