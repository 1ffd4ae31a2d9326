/** Configuration: one schema over the environment; every fault is told at once and stops the start. */
import { resolve } from 'node:path';
import { envSchema } from 'env-schema';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { AttuneError } from '#contracts';

const EnvironmentSchema = Type.Object({
  ATTUNE_HOST: Type.String({
    default: '127.0.0.1',
    minLength: 1,
    description: 'where the API listens; anything but loopback needs ATTUNE_API_KEYS',
  }),
  ATTUNE_PORT: Type.Integer({ default: 8080, minimum: 0, maximum: 65_535, description: 'port of the API; 0 takes a free one' }),
  ATTUNE_DATA_DIR: Type.String({ default: './data', minLength: 1, description: 'where the embedded engines keep their files' }),
  ATTUNE_CATALOG: Type.String({ default: './catalog/telco', minLength: 1, description: 'the decisioning project' }),
  ATTUNE_API_KEYS: Type.String({
    default: '',
    description: 'name:scope+scope:secret, separated by commas; scopes decide, observe, read, admin',
  }),
  ATTUNE_ID_KEY: Type.Optional(
    Type.String({
      minLength: 16,
      description: 'secret under which customer ids are hashed; embedded, it is generated into the data directory',
    }),
  ),
  ATTUNE_LOG_RETENTION_DAYS: Type.Number({
    default: 30,
    exclusiveMinimum: 0,
    maximum: 3_650,
    description: 'how long the log keeps records',
  }),
  ATTUNE_LOG_LEVEL: Type.String({
    default: 'info',
    pattern: '^(debug|info|warn|error|silent)$',
    description: 'debug, info, warn, error or silent',
  }),
  ATTUNE_DEADLINE_MS: Type.Number({
    default: 50,
    minimum: 1,
    maximum: 60_000,
    description: 'time for reading and deciding; past it an answer is degraded',
  }),
  ATTUNE_PIPELINE_PORT: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: 65_535,
    description: 'loopback port of the pipeline’s /metrics; 0 takes a free one',
  }),
  ATTUNE_WAREHOUSE_PORT: Type.Integer({
    default: 8123,
    minimum: 0,
    maximum: 65_535,
    description: 'loopback port of the embedded warehouse; 0 takes a free one',
  }),
  ATTUNE_WAREHOUSE_PASSWORD: Type.Optional(
    Type.String({ minLength: 8, description: 'of the embedded warehouse’s writer; drawn when absent' }),
  ),
  ATTUNE_WAREHOUSE_READER_PASSWORD: Type.Optional(
    Type.String({ minLength: 8, description: 'of the embedded warehouse’s user `reader`; drawn when absent' }),
  ),
  KAFKA_BROKERS: Type.Optional(Type.String({ description: 'host:port, separated by commas; chooses Kafka as the event log' })),
  REDIS_URL: Type.Optional(
    Type.String({ pattern: '^rediss?://', description: 'redis:// or rediss://; chooses Redis as the feature store' }),
  ),
  CLICKHOUSE_URL: Type.Optional(
    Type.String({ pattern: '^https?://', description: 'http:// or https://; chooses a ClickHouse server as the warehouse' }),
  ),
  CLICKHOUSE_USER: Type.String({ default: 'default', description: 'user at CLICKHOUSE_URL' }),
  CLICKHOUSE_PASSWORD: Type.String({ default: '', description: 'password at CLICKHOUSE_URL' }),
  CLICKHOUSE_DATABASE: Type.String({ default: 'attune', pattern: '^[A-Za-z_][A-Za-z0-9_]*$', description: 'database at CLICKHOUSE_URL' }),
});
type Environment = Static<typeof EnvironmentSchema>;

export interface Config {
  readonly host: string;
  readonly port: number;
  /** Absolute. */
  readonly dataDir: string;
  /** Absolute. */
  readonly catalogDir: string;
  readonly apiKeys: string;
  readonly idKey: string | null;
  readonly logRetentionDays: number;
  readonly logLevel: string;
  readonly deadlineMs: number;
  readonly pipelinePort: number;
  readonly warehousePort: number;
  readonly kafkaBrokers: readonly string[];
  readonly redisUrl: string | null;
  readonly clickhouse: { readonly url: string | null; readonly username: string; readonly password: string; readonly database: string };
  /** Variables that begin with ATTUNE_ and mean nothing: most likely misspelt. */
  readonly unknown: readonly string[];
}

interface SchemaFault {
  readonly instancePath: string;
  readonly message?: string;
  readonly keyword: string;
}

/** Empty text counts as absent, as compose files and shells leave it. Throws `config.invalid` that lists every fault. */
export const readConfig = (variables: Readonly<Record<string, string | undefined>>): Config => {
  const given = Object.fromEntries(
    Object.entries(variables).filter(([name, value]) => value !== undefined && value !== '' && name in EnvironmentSchema.properties),
  );
  const faults: string[] = [];
  let env: Environment | null = null;
  try {
    env = envSchema<Environment>({ schema: structuredClone(EnvironmentSchema) as object, data: given, env: false });
  } catch (error) {
    const found = (error as { errors?: readonly SchemaFault[] }).errors;
    if (found === undefined) throw error;
    faults.push(...found.map((fault) => describeFault(fault)));
  }
  if (given['CLICKHOUSE_PASSWORD'] !== undefined && given['CLICKHOUSE_URL'] === undefined) {
    faults.push('CLICKHOUSE_PASSWORD is set without CLICKHOUSE_URL');
  }
  if (given['ATTUNE_ID_KEY'] === undefined && (given['KAFKA_BROKERS'] !== undefined || given['REDIS_URL'] !== undefined)) {
    faults.push('ATTUNE_ID_KEY is missing; every process of a distributed set-up must share it');
  }
  if (env === null || faults.length > 0) {
    throw new AttuneError('config.invalid', `the configuration is not usable:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
  }
  return {
    host: env.ATTUNE_HOST,
    port: env.ATTUNE_PORT,
    dataDir: resolve(env.ATTUNE_DATA_DIR),
    catalogDir: resolve(env.ATTUNE_CATALOG),
    apiKeys: env.ATTUNE_API_KEYS,
    idKey: env.ATTUNE_ID_KEY ?? null,
    logRetentionDays: env.ATTUNE_LOG_RETENTION_DAYS,
    logLevel: env.ATTUNE_LOG_LEVEL,
    deadlineMs: env.ATTUNE_DEADLINE_MS,
    pipelinePort: env.ATTUNE_PIPELINE_PORT,
    warehousePort: env.ATTUNE_WAREHOUSE_PORT,
    kafkaBrokers: env.KAFKA_BROKERS?.split(',').map((broker) => broker.trim()) ?? [],
    redisUrl: env.REDIS_URL ?? null,
    clickhouse: {
      url: env.CLICKHOUSE_URL ?? null,
      username: env.CLICKHOUSE_USER,
      password: env.CLICKHOUSE_PASSWORD,
      database: env.CLICKHOUSE_DATABASE,
    },
    unknown: Object.keys(variables).filter((name) => name.startsWith('ATTUNE_') && !(name in EnvironmentSchema.properties)),
  };
};

/** Every variable with its default, for `attune --help`. */
export const describeVariables = (): readonly { readonly name: string; readonly fallback: string; readonly meaning: string }[] =>
  Object.entries(EnvironmentSchema.properties).map(([name, property]) => {
    const { default: fallback, description } = property as { default?: unknown; description?: string };
    return { name, fallback: fallback === undefined ? '' : JSON.stringify(fallback), meaning: description ?? '' };
  });

/** Names the variable and never its value: it may be a secret. */
const describeFault = (fault: SchemaFault): string => {
  const name = fault.instancePath.slice(1);
  const { description = '' } = (EnvironmentSchema.properties as Record<string, { description?: string }>)[name] ?? {};
  return `${name} ${fault.message ?? fault.keyword} (${description})`;
};
