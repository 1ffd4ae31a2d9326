/**
 * The two ways in which an Avro record says what it was written with: Confluent's wire format (a zero byte, the schema's id in the
 * registry as 4 bytes big-endian) and Avro's single-object encoding (C3 01, the schema's fingerprint in 8 bytes). The body is the same.
 */

const MAGIC = 0x00;
export const CONFLUENT_HEADER = 5;
export const SINGLE_OBJECT_HEADER = 10;

export const isConfluent = (value: Uint8Array): boolean => value.length >= CONFLUENT_HEADER && value[0] === MAGIC;

export const isSingleObject = (value: Uint8Array): boolean =>
  value.length >= SINGLE_OBJECT_HEADER && value[0] === 0xc3 && value[1] === 0x01;

/** Of a value that `isConfluent`. */
export const schemaIdOf = (value: Buffer): number => value.readUInt32BE(1);

/** 16 hex digits, of a value that `isSingleObject`. */
export const fingerprintOf = (value: Buffer): string => value.toString('hex', 2, SINGLE_OBJECT_HEADER);

export const confluentHeader = (schemaId: number): Buffer => {
  const header = Buffer.alloc(CONFLUENT_HEADER);
  header.writeUInt32BE(schemaId, 1);
  return header;
};

export const singleObjectHeader = (fingerprint: Uint8Array): Buffer => Buffer.concat([Buffer.from([0xc3, 0x01]), fingerprint]);

/** The body of `value`, which begins at `bodyAt`, under another header; `value` stays as it is, since its owner may send it again. */
export const withHeader = (header: Buffer, value: Buffer, bodyAt: number): Buffer => {
  const out = Buffer.allocUnsafe(header.length + value.length - bodyAt);
  out.set(header, 0);
  value.copy(out, header.length, bodyAt);
  return out;
};
