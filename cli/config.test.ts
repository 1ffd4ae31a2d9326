import { describe, expect, test } from 'vitest';
import { describeVariables, readConfig } from './config.ts';

describe('configuration', () => {
  test('an empty environment is a working one on loopback', () => {
    const config = readConfig({ ATTUNE_PORT: '' });
    expect(config).toMatchObject({ host: '127.0.0.1', port: 8080, idKey: null, kafkaBrokers: [], redisUrl: null });
    expect(config.dataDir.endsWith('data')).toBe(true);
  });

  test('all faults are told at once, by name and without the values', () => {
    const read = () => readConfig({ ATTUNE_PORT: 'eighty', ATTUNE_ID_KEY: 'short', REDIS_URL: 'localhost:6379', ATTUNE_LOG_LEVEL: 'loud' });
    expect(read).toThrow(/ATTUNE_PORT[^]*ATTUNE_ID_KEY|ATTUNE_ID_KEY[^]*ATTUNE_PORT/);
    expect(read).toThrow(/REDIS_URL/);
    expect(read).toThrow(/ATTUNE_LOG_LEVEL/);
    expect(read).not.toThrow(/short\b.*secret|localhost:6379/);
  });

  test('a distributed set-up must bring its own id key', () => {
    expect(() => readConfig({ KAFKA_BROKERS: 'a:9092,b:9092' })).toThrow(/ATTUNE_ID_KEY is missing/);
    expect(readConfig({ KAFKA_BROKERS: 'a:9092, b:9092', ATTUNE_ID_KEY: 'k'.repeat(16) }).kafkaBrokers).toEqual(['a:9092', 'b:9092']);
  });

  test('a misspelt variable is noticed', () => {
    expect(readConfig({ ATTUNE_PROT: '1' }).unknown).toEqual(['ATTUNE_PROT']);
  });

  test('every variable is described', () => {
    for (const variable of describeVariables()) expect(variable.meaning).not.toBe('');
  });
});
