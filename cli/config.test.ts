import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readConfig } from './config.ts';
import { describeVariables } from './config/variables.ts';
import { refuseRealEngines } from './demo/refuse-real-engines.ts';
import { describeLog, describeStore, describeWarehouse } from './engines.ts';

const folder = mkdtempSync(join(tmpdir(), 'attune-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fileWith = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

const ID_KEY = 'k'.repeat(16);
const KAFKA = { KAFKA_BROKERS: 'a:9092, b:9092', ATTUNE_ID_KEY: ID_KEY };
const REDIS = { REDIS_URL: 'redis://a:6379', ATTUNE_ID_KEY: ID_KEY };

describe('configuration', () => {
  test('an empty environment is a working one on loopback', () => {
    const config = readConfig({ ATTUNE_PORT: '', ATTUNE_ID_KEY_FILE: '' });
    expect(config).toMatchObject({ host: '127.0.0.1', port: 8080, workers: 1, idKey: null, kafka: null, redis: null });
    expect(config.dataDir.endsWith('data')).toBe(true);
  });

  test('all faults are told at once, by name and without the values', () => {
    const read = () =>
      readConfig({
        ATTUNE_PORT: 'eighty',
        ATTUNE_ID_KEY: 'short',
        REDIS_URL: 'localhost:6379',
        ATTUNE_LOG_LEVEL: 'loud',
        SCHEMA_REGISTRY_PASSWORD: 'hush-hush',
        KAFKA_SSL_CA: '/nowhere/ca.pem',
        CLICKHOUSE_PASSWORD_FILE: '/nowhere/password',
      });
    for (const name of [
      'ATTUNE_PORT',
      'ATTUNE_ID_KEY',
      'REDIS_URL',
      'ATTUNE_LOG_LEVEL',
      'SCHEMA_REGISTRY_PASSWORD',
      'CLICKHOUSE_PASSWORD_FILE',
    ])
      expect(read).toThrow(new RegExp(`^  ${name} `, 'm'));
    expect(read).toThrow(/KAFKA_SSL_CA names a file that cannot be read/);
    expect(read).not.toThrow(/eighty|localhost:6379|loud|hush/);
  });

  test('a distributed set-up must bring its own id key', () => {
    expect(() => readConfig({ KAFKA_BROKERS: 'a:9092,b:9092' })).toThrow(/ATTUNE_ID_KEY is missing/);
    expect(() => readConfig({ REDIS_URL: 'redis://a' })).toThrow(/ATTUNE_ID_KEY is missing/);
    expect(readConfig(KAFKA).kafka).toEqual({
      brokers: ['a:9092', 'b:9092'],
      topicPrefix: '',
      replication: null,
      ssl: null,
      sasl: null,
      registry: null,
    });
    expect(readConfig({ ...REDIS, REDIS_URL: 'redis://a:1, redis://b:2' }).redis?.urls).toEqual(['redis://a:1', 'redis://b:2']);
  });

  test('a secret may come as a file, and not twice', () => {
    const password = fileWith('password', 'from the file\n');
    const sasl = { ...KAFKA, KAFKA_SASL_MECHANISM: 'scram-sha-512', KAFKA_SASL_USERNAME: 'attune' };
    expect(readConfig({ ...sasl, KAFKA_SASL_PASSWORD_FILE: password }).kafka?.sasl).toEqual({
      mechanism: 'scram-sha-512',
      username: 'attune',
      password: 'from the file',
    });
    expect(() => readConfig({ ...sasl, KAFKA_SASL_PASSWORD_FILE: password, KAFKA_SASL_PASSWORD: 'x' })).toThrow(/both set/);
    expect(() => readConfig({ ATTUNE_ID_KEY_FILE: fileWith('empty', '\n') })).toThrow(/ATTUNE_ID_KEY_FILE names a file that is empty/);
  });

  test('files of TLS switch it on, and what contradicts itself is refused', () => {
    const ca = fileWith('ca.pem', 'a certificate');
    expect(readConfig({ ...KAFKA, KAFKA_SSL_CA: ca }).kafka?.ssl).toEqual({ ca, cert: null, key: null });
    expect(readConfig({ ...KAFKA, KAFKA_SSL: 'true' }).kafka?.ssl).toEqual({ ca: null, cert: null, key: null });
    expect(() => readConfig({ ...KAFKA, KAFKA_SSL: 'false', KAFKA_SSL_CA: ca })).toThrow(/KAFKA_SSL is false/);
    expect(() => readConfig({ ...KAFKA, KAFKA_SSL_CERT: ca })).toThrow(/KAFKA_SSL_CERT is set without KAFKA_SSL_KEY/);
    expect(() => readConfig({ ...REDIS, REDIS_TLS_CA: ca })).toThrow(/rediss/);
    expect(readConfig({ ...REDIS, REDIS_URL: 'rediss://a', REDIS_TLS_CA: ca }).redis?.ca).toBe(ca);
  });

  test.each(['http://', 'http://me:hush:8123', 'http://me:hush@ch:port'])('%s is no URL, and is not repeated', (url) => {
    for (const [name, env] of [
      ['CLICKHOUSE_URL', { CLICKHOUSE_URL: url }],
      ['SCHEMA_REGISTRY_URL', { ...KAFKA, SCHEMA_REGISTRY_URL: url }],
      ['REDIS_URL', { ...REDIS, REDIS_URL: `redis://a,${url.replace('http', 'redis')}` }],
    ] as const) {
      expect(() => readConfig(env)).toThrow(new RegExp(`^  ${name} `, 'm'));
      expect(() => readConfig(env)).not.toThrow(/hush/);
    }
  });

  test('a cluster belongs to a server, and days are numbers', () => {
    const read = () => readConfig({ CLICKHOUSE_CLUSTER: 'main', ATTUNE_WAREHOUSE_TTL_DAYS: '400,events=soon' });
    expect(read).toThrow(/CLICKHOUSE_CLUSTER is set without CLICKHOUSE_URL/);
    expect(read).toThrow(/ATTUNE_WAREHOUSE_TTL_DAYS/);
    expect(readConfig({ CLICKHOUSE_URL: 'http://ch:8123', CLICKHOUSE_CLUSTER: 'main' }).clickhouse.cluster).toBe('main');
    expect(readConfig({ ATTUNE_WAREHOUSE_TTL_DAYS: '90, events=30' }).warehouseTtlDays).toBe('90, events=30');
  });

  test('a misspelt variable is noticed', () => {
    const misspelt = { ATTUNE_PROT: '1', KAFKA_BROKER: 'a:9092', REDIS_URI: 'redis://a', CLICKHOUSE_HOST: 'a', SCHEMA_REGISTRY_URI: 'a' };
    expect(readConfig({ ...misspelt, ATTUNE_API_KEYS_FILE: '', PATH: '/bin' }).unknown).toEqual(Object.keys(misspelt));
  });

  test('what Kubernetes tells of a service named redis is not a misspelling', () => {
    const links = {
      REDIS_SERVICE_HOST: '10.0.0.1',
      REDIS_SERVICE_PORT_MAIN: '6379',
      REDIS_PORT: 'tcp://10.0.0.1:6379',
      REDIS_PORT_6379_TCP_ADDR: '10.0.0.1',
    };
    expect(readConfig(links).unknown).toEqual([]);
  });

  test('the engines in use are named without secrets', () => {
    const servers = readConfig({ ...KAFKA, REDIS_URL: 'redis://me:hush@a:6379,redis://b', CLICKHOUSE_URL: 'http://me:hush@ch:8123' });
    const said = [describeLog(servers), describeStore(servers), describeWarehouse(servers)].join(', ');
    expect(said).toBe('event log Kafka a:9092,b:9092, feature store Redis a:6379,b, warehouse ClickHouse ch:8123');
    expect(describeLog(readConfig({}))).toBe('event log embedded');
  });

  test('the demo does not go into engines that may hold real customers, unless it is forced', () => {
    expect(() => refuseRealEngines(readConfig({ ...KAFKA, ...REDIS }), false)).toThrow(
      /KAFKA_BROKERS, REDIS_URL name; .*--no-demo.*--force/,
    );
    refuseRealEngines(readConfig(KAFKA), true);
    refuseRealEngines(readConfig({}), false);
  });

  test('every variable is described', () => {
    for (const variable of describeVariables()) expect(variable.meaning).not.toBe('');
  });
});
