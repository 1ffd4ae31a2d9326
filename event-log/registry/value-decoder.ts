/** Decodes values of the operator's own topics: JSON, Avro by the registry's ids, or Avro of a schema that is known beforehand. */
import avro from 'avsc';
import { AttuneError, fingerprintOfType } from '#contracts';
import { typeOfSchema } from './avro-type.ts';
import { CONFLUENT_HEADER, SINGLE_OBJECT_HEADER, fingerprintOf, isConfluent, isSingleObject, schemaIdOf } from './framing.ts';
import { plainTypeOptions, toPlain } from './plain-avro.ts';
import type { RegistryClient } from './registry-client.ts';

/**
 * Plain data. Throws or rejects with `source.value` when the bytes are not what they should be, with EngineUnavailable when a schema
 * must be asked for and the registry is away.
 */
export type ValueDecoder = (value: Buffer) => unknown;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Confluent's JSON Schema serializer puts the same five bytes in front as for Avro; no JSON text begins with a zero byte. */
export const jsonDecoder: ValueDecoder = (value) =>
  guarded('JSON', () => JSON.parse(utf8.decode(isConfluent(value) ? value.subarray(CONFLUENT_HEADER) : value)) as unknown);

/** Bodies alone, or with the single-object marker of this very schema. Throws `source.schema`. */
export const createSchemaDecoder = (schema: object): ValueDecoder => {
  const type = typeOf(schema);
  const fingerprint = fingerprintOfType(type).toString('hex');
  return (value) => {
    const body = isSingleObject(value) && fingerprintOf(value) === fingerprint ? value.subarray(SINGLE_OBJECT_HEADER) : value;
    return guarded('Avro of the source’s schema', () => toPlain(type.fromBuffer(body)));
  };
};

/** Confluent's wire format: each record by the schema that wrote it, asked for once. */
export const createRegistryDecoder = (registry: Pick<RegistryClient, 'schemaOf' | 'schemaOfVersion'>): ValueDecoder => {
  const types = new Map<number, avro.Type>();
  const read = (type: avro.Type, id: number, value: Buffer): unknown =>
    guarded(`Avro of the registry’s schema ${id}`, () => toPlain(type.fromBuffer(value.subarray(CONFLUENT_HEADER))));
  const typeOfId = async (id: number): Promise<avro.Type> => {
    try {
      const registered = await registry.schemaOf(id);
      if (registered === null) throw invalid(`the schema registry has no schema ${id}`);
      return await typeOfSchema(registry, registered, plainTypeOptions());
    } catch (error) {
      if (error instanceof AttuneError && error.code !== 'registry.not-avro') throw error;
      throw invalid(`schema ${id} of the registry cannot be used: ${(error as Error).message}`, error);
    }
  };
  const meet = async (id: number, value: Buffer): Promise<unknown> => {
    const type = await typeOfId(id);
    types.set(id, type);
    return read(type, id, value);
  };
  return (value) => {
    if (!isConfluent(value)) throw invalid(`not Confluent’s wire format (${value.length} bytes that begin with ${hexOf(value)})`);
    const id = schemaIdOf(value);
    const type = types.get(id);
    return type === undefined ? meet(id, value) : read(type, id, value);
  };
};

const typeOf = (schema: object): avro.Type => {
  try {
    return avro.Type.forSchema(schema as avro.Schema, plainTypeOptions());
  } catch (cause) {
    throw new AttuneError('source.schema', `not an Avro schema: ${(cause as Error).message}`, { cause });
  }
};

const guarded = (what: string, read: () => unknown): unknown => {
  try {
    return read();
  } catch (cause) {
    throw invalid(`not ${what}: ${(cause as Error).message}`, cause);
  }
};

const invalid = (message: string, cause?: unknown): AttuneError => new AttuneError('source.value', message, { cause });

const hexOf = (value: Buffer): string => value.toString('hex', 0, 5);
