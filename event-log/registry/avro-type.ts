/** A registered schema as avsc's type, with the schemas that it refers to. */
import avro from 'avsc';
import type { RegisteredSchema, RegistryClient } from './registry-client.ts';

const MAX_DEPTH = 20;

/** Rejects as the client does, and throws what avsc says of a schema that it cannot use. */
export const typeOfSchema = async (
  client: Pick<RegistryClient, 'schemaOfVersion'>,
  registered: RegisteredSchema,
  options: Partial<avro.ForSchemaOptions> = {},
): Promise<avro.Type> => {
  const names = (options.registry ?? {}) as Record<string, avro.Type>;
  await loadReferences(client, registered, { ...options, registry: names }, 0);
  return avro.Type.forSchema(JSON.parse(registered.schema) as avro.Schema, { ...options, registry: names });
};

/** Depth first: what a schema refers to is named before the schema itself. */
const loadReferences = async (
  client: Pick<RegistryClient, 'schemaOfVersion'>,
  { references }: RegisteredSchema,
  options: Partial<avro.ForSchemaOptions> & { registry: Record<string, avro.Type> },
  depth: number,
): Promise<void> => {
  if (depth > MAX_DEPTH) throw new Error(`schemas refer to each other more than ${MAX_DEPTH} deep`);
  for (const { name, subject, version } of references) {
    if (options.registry[name] !== undefined) continue;
    const referred = await client.schemaOfVersion(subject, version);
    if (referred === null) throw new Error(`it refers to version ${version} of ${subject}, which is not registered`);
    await loadReferences(client, referred, options, depth + 1);
    if (options.registry[name] === undefined) avro.Type.forSchema(JSON.parse(referred.schema) as avro.Schema, options);
  }
};
