/** The decoder that a source's format asks for. */
import { AttuneError } from '#contracts';
import { createRegistryDecoder, createSchemaDecoder, jsonDecoder } from '#event-log';
import type { RegistryClient, ValueDecoder } from '#event-log';
import type { Source } from '#project';

/** Throws `source.schema`, and `config.invalid` where records carry ids of a registry that is not configured. */
export const decoderOf = ({ name, format }: Source, registry: RegistryClient | null): ValueDecoder => {
  if (format.kind === 'json') return jsonDecoder;
  if (format.schema !== null) return createSchemaDecoder(format.schema);
  if (registry !== null) return createRegistryDecoder(registry);
  throw new AttuneError(
    'config.invalid',
    `source ${name} reads Avro by a schema registry, and SCHEMA_REGISTRY_URL is not set; set it, or name the schema in sources.yaml`,
  );
};
