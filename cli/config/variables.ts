/** Every variable of the environment: its shape, its default, its meaning, and whether it is a secret. */
import { Type } from 'typebox';
import type { Static } from 'typebox';

const port = (fallback: number, description: string) => Type.Integer({ default: fallback, minimum: 0, maximum: 65_535, description });
const file = (description: string) => Type.Optional(Type.String({ description }));

export const EnvironmentSchema = Type.Object({
  ATTUNE_HOST: Type.String({
    default: '127.0.0.1',
    minLength: 1,
    description: 'where the API listens; anything but loopback needs ATTUNE_API_KEYS',
  }),
  ATTUNE_PORT: port(8080, 'port of the API; 0 takes a free one'),
  ATTUNE_WORKERS: Type.Integer({
    default: 1,
    minimum: 1,
    maximum: 256,
    description: 'processes of `attune serve` behind its port; as many as there are cores to use',
  }),
  ATTUNE_DATA_DIR: Type.String({
    default: './data',
    minLength: 1,
    description: 'files of the embedded engines, the learner and the outbox; on a volume that outlives the process',
  }),
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
  ATTUNE_SHADOW_SHARE: Type.Number({
    default: 0.05,
    minimum: 0,
    maximum: 1,
    description: 'of the decisions, those that challengers decide again after the answer has left; 0 is none',
  }),
  ATTUNE_OUTBOX_MB: Type.Integer({
    default: 1_024,
    minimum: 1,
    maximum: 1_048_576,
    description: 'disk that the API may fill while Kafka is away; past it requests are answered 503',
  }),
  ATTUNE_PIPELINE_HOST: Type.String({
    default: '127.0.0.1',
    minLength: 1,
    description: 'where the pipeline’s /healthz, /readyz and /metrics listen; they tell numbers only and need no keys',
  }),
  ATTUNE_PIPELINE_PORT: port(0, 'port of the pipeline’s /healthz, /readyz and /metrics; 0 takes a free one'),
  ATTUNE_WAREHOUSE_PORT: port(8123, 'loopback port of the embedded warehouse; 0 takes a free one'),
  ATTUNE_WAREHOUSE_PASSWORD: Type.Optional(
    Type.String({ minLength: 8, description: 'of the embedded warehouse’s writer; drawn when absent' }),
  ),
  ATTUNE_WAREHOUSE_READER_PASSWORD: Type.Optional(
    Type.String({ minLength: 8, description: 'of the embedded warehouse’s user `reader`; drawn when absent' }),
  ),
  ATTUNE_PARTITIONS: Type.Integer({
    default: 64,
    minimum: 1,
    maximum: 1_024,
    description: 'partitions of each Kafka topic that `attune doctor --fix` creates; at most so many pipelines share the work',
  }),
  KAFKA_BROKERS: Type.Optional(
    Type.String({
      pattern: '^\\s*[^\\s,:/]+:\\d+\\s*(,\\s*[^\\s,:/]+:\\d+\\s*)*$',
      description: 'host:port, separated by commas; chooses Kafka as the event log',
    }),
  ),
  KAFKA_TOPIC_PREFIX: Type.String({
    default: '',
    pattern: '^[A-Za-z0-9._-]{0,100}$',
    description: 'before the names of topics and groups, where systems share a cluster',
  }),
  KAFKA_REPLICATION: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 9,
      description: 'copies of each record in topics that `attune doctor --fix` creates; absent: 3, or as many as there are brokers',
    }),
  ),
  KAFKA_SSL: Type.Optional(Type.Boolean({ description: 'true: TLS to the brokers; set by KAFKA_SSL_CA and KAFKA_SSL_CERT too' })),
  KAFKA_SSL_CA: file('file of the authority that signed the brokers’ certificates; absent: the system’s authorities'),
  KAFKA_SSL_CERT: file('file of the client’s certificate, with KAFKA_SSL_KEY'),
  KAFKA_SSL_KEY: file('file of the client’s private key'),
  KAFKA_SASL_MECHANISM: Type.Optional(
    Type.String({ pattern: '^(plain|scram-sha-256|scram-sha-512)$', description: 'plain, scram-sha-256 or scram-sha-512' }),
  ),
  KAFKA_SASL_USERNAME: Type.Optional(Type.String({ description: 'user at the brokers' })),
  KAFKA_SASL_PASSWORD: Type.Optional(Type.String({ description: 'password at the brokers' })),
  SCHEMA_REGISTRY_URL: Type.Optional(
    Type.String({
      pattern: '^https?://',
      description: 'http:// or https://; records on Kafka are then in Confluent’s wire format',
    }),
  ),
  SCHEMA_REGISTRY_USERNAME: Type.Optional(Type.String({ description: 'user at SCHEMA_REGISTRY_URL' })),
  SCHEMA_REGISTRY_PASSWORD: Type.Optional(Type.String({ description: 'password at SCHEMA_REGISTRY_URL' })),
  REDIS_URL: Type.Optional(
    Type.String({
      pattern: '^\\s*rediss?://[^\\s,]+\\s*(,\\s*rediss?://[^\\s,]+\\s*)*$',
      description: 'redis:// or rediss://, nodes of a cluster separated by commas; chooses Redis as the feature store',
    }),
  ),
  REDIS_PREFIX: Type.Optional(Type.String({ maxLength: 40, description: 'before every key, where systems share a Redis' })),
  REDIS_TLS_CA: file('file of the authority that signed the certificates of rediss://; absent: the system’s authorities'),
  CLICKHOUSE_URL: Type.Optional(
    Type.String({ pattern: '^https?://', description: 'http:// or https://; chooses a ClickHouse server as the warehouse' }),
  ),
  CLICKHOUSE_USER: Type.String({ default: 'default', description: 'user at CLICKHOUSE_URL' }),
  CLICKHOUSE_PASSWORD: Type.String({ default: '', description: 'password at CLICKHOUSE_URL' }),
  CLICKHOUSE_DATABASE: Type.String({ default: 'attune', pattern: '^[A-Za-z_][A-Za-z0-9_]*$', description: 'database at CLICKHOUSE_URL' }),
  CLICKHOUSE_CLUSTER: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z_][A-Za-z0-9_.-]*$',
      description: 'cluster at CLICKHOUSE_URL: tables are replicated and distributed over it',
    }),
  ),
  ATTUNE_WAREHOUSE_TTL_DAYS: Type.String({
    default: '400',
    pattern: '^\\s*(\\w+=)?\\d+\\s*(,\\s*(\\w+=)?\\d+\\s*)*$',
    description: 'days that the warehouse keeps rows; exceptions by table: 400,events=90',
  }),
});

export type Environment = Static<typeof EnvironmentSchema>;
export type VariableName = keyof Environment;

/** Each may be given as a file instead, named by NAME_FILE, as Docker and Kubernetes hand secrets over. */
export const SECRETS = [
  'ATTUNE_API_KEYS',
  'ATTUNE_ID_KEY',
  'ATTUNE_WAREHOUSE_PASSWORD',
  'ATTUNE_WAREHOUSE_READER_PASSWORD',
  'KAFKA_SASL_PASSWORD',
  'SCHEMA_REGISTRY_PASSWORD',
  'REDIS_URL',
  'CLICKHOUSE_PASSWORD',
] as const satisfies readonly VariableName[];

/** Variables that mean nothing without another one. */
export const NEEDS: readonly (readonly [VariableName, VariableName])[] = [
  ['KAFKA_TOPIC_PREFIX', 'KAFKA_BROKERS'],
  ['KAFKA_REPLICATION', 'KAFKA_BROKERS'],
  ['KAFKA_SSL', 'KAFKA_BROKERS'],
  ['KAFKA_SSL_CA', 'KAFKA_BROKERS'],
  ['KAFKA_SSL_CERT', 'KAFKA_SSL_KEY'],
  ['KAFKA_SSL_KEY', 'KAFKA_SSL_CERT'],
  ['KAFKA_SASL_MECHANISM', 'KAFKA_BROKERS'],
  ['KAFKA_SASL_MECHANISM', 'KAFKA_SASL_USERNAME'],
  ['KAFKA_SASL_MECHANISM', 'KAFKA_SASL_PASSWORD'],
  ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_MECHANISM'],
  ['KAFKA_SASL_PASSWORD', 'KAFKA_SASL_MECHANISM'],
  ['SCHEMA_REGISTRY_URL', 'KAFKA_BROKERS'],
  ['SCHEMA_REGISTRY_USERNAME', 'SCHEMA_REGISTRY_URL'],
  ['SCHEMA_REGISTRY_PASSWORD', 'SCHEMA_REGISTRY_USERNAME'],
  ['REDIS_PREFIX', 'REDIS_URL'],
  ['REDIS_TLS_CA', 'REDIS_URL'],
  ['CLICKHOUSE_PASSWORD', 'CLICKHOUSE_URL'],
  ['CLICKHOUSE_CLUSTER', 'CLICKHOUSE_URL'],
];

/** Variables that name a file which must be readable. */
export const FILES = ['KAFKA_SSL_CA', 'KAFKA_SSL_CERT', 'KAFKA_SSL_KEY', 'REDIS_TLS_CA'] as const satisfies readonly VariableName[];

/** Variables that are a URL, or several with commas between. */
export const URLS = ['SCHEMA_REGISTRY_URL', 'REDIS_URL', 'CLICKHOUSE_URL'] as const satisfies readonly VariableName[];

export interface VariableDescription {
  readonly name: string;
  /** As JSON; empty text: none. */
  readonly fallback: string;
  readonly meaning: string;
  /** May come as NAME_FILE. */
  readonly secret: boolean;
}

/** Every variable with its default, for `attune --help` and the operators' page. */
export const describeVariables = (): readonly VariableDescription[] =>
  Object.entries(EnvironmentSchema.properties).map(([name, property]) => {
    const { default: fallback, description } = property as { default?: unknown; description?: string };
    return {
      name,
      fallback: fallback === undefined || fallback === '' ? '' : JSON.stringify(fallback),
      meaning: description ?? '',
      secret: (SECRETS as readonly string[]).includes(name),
    };
  });
