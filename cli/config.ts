/** Configuration: one schema over the environment; every fault is told at once and stops the start. */
import { accessSync, constants } from 'node:fs';
import { join, resolve } from 'node:path';
import { envSchema } from 'env-schema';
import { AttuneError } from '#contracts';
import { readGiven, unknownVariables } from './config/given-variables.ts';
import type { Given, Variables } from './config/given-variables.ts';
import { EnvironmentSchema, FILES, NEEDS, URLS } from './config/variables.ts';
import type { Environment } from './config/variables.ts';

export interface KafkaConfig {
  /** host:port */
  readonly brokers: readonly string[];
  readonly topicPrefix: string;
  /** Null: 3, or as many as there are brokers. */
  readonly replication: number | null;
  /** Null: no TLS. Paths of PEM files. */
  readonly ssl: { readonly ca: string | null; readonly cert: string | null; readonly key: string | null } | null;
  readonly sasl: { readonly mechanism: SaslMechanism; readonly username: string; readonly password: string } | null;
  /** Null: Avro's single-object encoding. */
  readonly registry: { readonly url: string; readonly username: string | null; readonly password: string | null } | null;
}

export type SaslMechanism = 'plain' | 'scram-sha-256' | 'scram-sha-512';

export interface RedisConfig {
  /** Several are nodes of a cluster. */
  readonly urls: readonly string[];
  /** Null: the adapter's own. */
  readonly prefix: string | null;
  /** Path of a PEM file. */
  readonly ca: string | null;
}

export interface Config {
  readonly host: string;
  readonly port: number;
  readonly workers: number;
  /** Absolute. */
  readonly dataDir: string;
  /** Absolute. */
  readonly catalogDir: string;
  readonly apiKeys: string;
  readonly idKey: string | null;
  readonly logRetentionDays: number;
  readonly logLevel: string;
  readonly deadlineMs: number;
  readonly shadowShare: number;
  readonly outbox: { readonly dir: string; readonly maxBytes: number };
  readonly pipelineHost: string;
  readonly pipelinePort: number;
  readonly warehousePort: number;
  /** Of the embedded warehouse; null: drawn. */
  readonly warehousePasswords: { readonly writer: string | null; readonly reader: string | null };
  /** Of topics that are yet to be created. */
  readonly partitions: number;
  /** Null: the embedded log. */
  readonly kafka: KafkaConfig | null;
  /** Null: the embedded feature store. */
  readonly redis: RedisConfig | null;
  readonly clickhouse: {
    readonly url: string | null;
    readonly username: string;
    readonly password: string;
    readonly database: string;
    /** Null: one node. */
    readonly cluster: string | null;
  };
  /** As written; the warehouse knows its tables. */
  readonly warehouseTtlDays: string;
  /** Variables that begin as ours do and mean nothing: most likely misspelt. */
  readonly unknown: readonly string[];
}

/** Empty text counts as absent, as compose files and shells leave it. Throws `config.invalid` that lists every fault. */
export const readConfig = (variables: Variables): Config => {
  const given = readGiven(variables);
  const parsed = parseEnvironment(given);
  const faults = [...given.faults, ...parsed.faults, ...faultsBetween(given)];
  const { env } = parsed;
  if (env === null || faults.length > 0) {
    throw new AttuneError('config.invalid', `the configuration is not usable:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
  }
  const dataDir = resolve(env.ATTUNE_DATA_DIR);
  return {
    host: env.ATTUNE_HOST,
    port: env.ATTUNE_PORT,
    workers: env.ATTUNE_WORKERS,
    dataDir,
    catalogDir: resolve(env.ATTUNE_CATALOG),
    apiKeys: env.ATTUNE_API_KEYS,
    idKey: env.ATTUNE_ID_KEY ?? null,
    logRetentionDays: env.ATTUNE_LOG_RETENTION_DAYS,
    logLevel: env.ATTUNE_LOG_LEVEL,
    deadlineMs: env.ATTUNE_DEADLINE_MS,
    shadowShare: env.ATTUNE_SHADOW_SHARE,
    outbox: { dir: join(dataDir, 'outbox'), maxBytes: env.ATTUNE_OUTBOX_MB * 1_048_576 },
    pipelineHost: env.ATTUNE_PIPELINE_HOST,
    pipelinePort: env.ATTUNE_PIPELINE_PORT,
    warehousePort: env.ATTUNE_WAREHOUSE_PORT,
    warehousePasswords: { writer: env.ATTUNE_WAREHOUSE_PASSWORD ?? null, reader: env.ATTUNE_WAREHOUSE_READER_PASSWORD ?? null },
    partitions: env.ATTUNE_PARTITIONS,
    kafka: kafkaOf(env),
    redis:
      env.REDIS_URL === undefined ? null : { urls: list(env.REDIS_URL), prefix: env.REDIS_PREFIX ?? null, ca: env.REDIS_TLS_CA ?? null },
    clickhouse: {
      url: env.CLICKHOUSE_URL ?? null,
      username: env.CLICKHOUSE_USER,
      password: env.CLICKHOUSE_PASSWORD,
      database: env.CLICKHOUSE_DATABASE,
      cluster: env.CLICKHOUSE_CLUSTER ?? null,
    },
    warehouseTtlDays: env.ATTUNE_WAREHOUSE_TTL_DAYS,
    unknown: unknownVariables(variables),
  };
};

const kafkaOf = (env: Environment): KafkaConfig | null => {
  if (env.KAFKA_BROKERS === undefined) return null;
  const files = { ca: env.KAFKA_SSL_CA ?? null, cert: env.KAFKA_SSL_CERT ?? null, key: env.KAFKA_SSL_KEY ?? null };
  return {
    brokers: list(env.KAFKA_BROKERS),
    topicPrefix: env.KAFKA_TOPIC_PREFIX,
    replication: env.KAFKA_REPLICATION ?? null,
    ssl: (env.KAFKA_SSL ?? (files.ca !== null || files.cert !== null)) ? files : null,
    sasl:
      env.KAFKA_SASL_MECHANISM === undefined
        ? null
        : {
            mechanism: env.KAFKA_SASL_MECHANISM as SaslMechanism,
            username: env.KAFKA_SASL_USERNAME ?? '',
            password: env.KAFKA_SASL_PASSWORD ?? '',
          },
    registry:
      env.SCHEMA_REGISTRY_URL === undefined
        ? null
        : {
            url: env.SCHEMA_REGISTRY_URL,
            username: env.SCHEMA_REGISTRY_USERNAME ?? null,
            password: env.SCHEMA_REGISTRY_PASSWORD ?? null,
          },
  };
};

const list = (text: string): readonly string[] => text.split(',').map((part) => part.trim());

interface SchemaFault {
  readonly instancePath: string;
  readonly message?: string;
  readonly keyword: string;
}

const parseEnvironment = ({ values }: Given): { readonly env: Environment | null; readonly faults: readonly string[] } => {
  try {
    const env = envSchema<Environment>({ schema: structuredClone(EnvironmentSchema) as object, data: { ...values }, env: false });
    return { env, faults: [] };
  } catch (error) {
    const found = (error as { errors?: readonly SchemaFault[] }).errors;
    if (found === undefined) throw error;
    return { env: null, faults: found.map((fault) => describeFault(fault)) };
  }
};

/** Names the variable and never its value: it may be a secret. */
const describeFault = (fault: SchemaFault): string => {
  const name = fault.instancePath.slice(1);
  const { description = '' } = (EnvironmentSchema.properties as Record<string, { description?: string }>)[name] ?? {};
  return `${name} ${fault.message ?? fault.keyword} (${description})`;
};

/** What no single variable shows. */
const faultsBetween = ({ values }: Given): readonly string[] => {
  const faults = NEEDS.filter(([name, needed]) => values[name] !== undefined && values[needed] === undefined).map(
    ([name, needed]) => `${name} is set without ${needed}`,
  );
  for (const name of FILES) {
    const path = values[name];
    if (path !== undefined && !isReadable(path)) faults.push(`${name} names a file that cannot be read`);
  }
  for (const name of URLS) {
    // Without a scheme it is told of by its pattern.
    const urls = list(values[name] ?? '').filter((url) => url.includes('://'));
    if (!urls.every((url) => URL.canParse(url))) faults.push(`${name} is no URL as in scheme://host:port`);
  }
  if (values['KAFKA_SSL'] === 'false' && (values['KAFKA_SSL_CA'] ?? values['KAFKA_SSL_CERT']) !== undefined)
    faults.push('KAFKA_SSL is false, and KAFKA_SSL_CA or KAFKA_SSL_CERT is set');
  if (values['REDIS_TLS_CA'] !== undefined && values['REDIS_URL']?.includes('redis://') === true)
    faults.push('REDIS_TLS_CA is set, and REDIS_URL is redis://, which has no TLS; TLS is rediss://');
  if (values['ATTUNE_ID_KEY'] === undefined && (values['KAFKA_BROKERS'] !== undefined || values['REDIS_URL'] !== undefined))
    faults.push('ATTUNE_ID_KEY is missing; every process of a distributed set-up must share it');
  return faults;
};

const isReadable = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
};
