/** The log over TLS with both sides' certificates, and each way of SASL that is documented, against a real broker. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SASLOptions } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TOPICS } from '#contracts';
import { checkTopics, fixTopics, openKafkaLog, type KafkaConnection } from '../../event-log/index.ts';
import { freePort } from '../free-port.ts';
import { kafkaIsMissing, startKafka, type KafkaCluster } from './kafka.ts';

const missing = await kafkaIsMissing();
const username = 'attune';
const password = 'a secret, with "quotes"';

describe.skipIf(missing !== null)(`Kafka with TLS and SASL (${missing ?? 'here'})`, { timeout: 180_000 }, () => {
  let dir: string;
  let port: number;
  let kafka: KafkaCluster;

  const file = (name: string): string => join(dir, name);
  const openssl = (...args: readonly string[]): void => void execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  /** A key with a certificate by our own authority. */
  const certify = (name: string): void => {
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    writeFileSync(file(`${name}.ext`), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', `${name}.ext`];
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...by);
  };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'attune-tls-'));
    port = await freePort();
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=authority');
    for (const name of ['broker', 'client']) certify(name);
    writeFileSync(file('keystore.pem'), readFileSync(file('broker.key'), 'utf8') + readFileSync(file('broker.pem'), 'utf8'));
    const quoted = password.replaceAll('"', '\\\\"');
    const modules = 'org.apache.kafka.common.security';
    kafka = await startKafka({
      secure: {
        port,
        scramUsers: ['SCRAM-SHA-256', 'SCRAM-SHA-512'].map((way) => `${way}=[name=${username},password=plainer]`),
        properties: [
          'ssl.keystore.type=PEM',
          `ssl.keystore.location=${file('keystore.pem')}`,
          'ssl.truststore.type=PEM',
          `ssl.truststore.location=${file('ca.pem')}`,
          'listener.name.secure.ssl.client.auth=required',
          'listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
          `listener.name.secure.plain.sasl.jaas.config=${modules}.plain.PlainLoginModule required user_${username}="${quoted}";`,
          `listener.name.secure.scram-sha-256.sasl.jaas.config=${modules}.scram.ScramLoginModule required;`,
          `listener.name.secure.scram-sha-512.sasl.jaas.config=${modules}.scram.ScramLoginModule required;`,
        ],
      },
    });
  }, 240_000);
  afterAll(async () => {
    await kafka?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const connectionBy = (sasl: SASLOptions): KafkaConnection => ({
    brokers: [`127.0.0.1:${port}`],
    ssl: { ca: readFileSync(file('ca.pem')), cert: readFileSync(file('client.pem')), key: readFileSync(file('client.key')) },
    sasl,
  });

  test.for<SASLOptions>([
    { mechanism: 'plain', username, password },
    { mechanism: 'scram-sha-256', username, password: 'plainer' },
    { mechanism: 'scram-sha-512', username, password: 'plainer' },
  ])('topics are made, records appended, read and consumed with $mechanism', async (sasl) => {
    const connection = connectionBy(sasl);
    const topicPrefix = `${sasl.mechanism}.`;
    await fixTopics({ connection, topicPrefix, partitions: 2, replicationFactor: 1, nowMs: Date.now(), epoch: 7 });
    expect((await checkTopics({ connection, topicPrefix, partitions: 2, replicationFactor: 1 })).problems).toEqual([]);
    const log = await openKafkaLog({ connection, topicPrefix });
    const [position] = await log.append([{ topic: TOPICS.events, shard: 1, value: Buffer.from('kept safe') }]);
    expect(String((await log.read(TOPICS.events, 1, position!.offset, 1))[0]!.value)).toBe('kept safe');
    const consumed = Promise.withResolvers<string>();
    log.consume({ group: 'g', topics: [TOPICS.events], onBatch: async ({ records }) => consumed.resolve(String(records[0]!.value)) });
    expect(await consumed.promise).toBe('kept safe');
    await log.close();
  });

  test('a wrong password, an unknown authority, a missing certificate: unavailable, with the reason', async () => {
    const right = connectionBy({ mechanism: 'plain', username, password });
    const refused = async (connection: KafkaConnection): Promise<string> => {
      const error = await openKafkaLog({ connection, topicPrefix: 'plain.' }).then(
        () => new Error('it was opened'),
        (reason: Error) => reason,
      );
      expect(error).toMatchObject({ code: 'event-log.unavailable' });
      return error.message;
    };
    // Each is tried until its patience ends.
    const [wrong, unknown, bare] = await Promise.all([
      refused(connectionBy({ mechanism: 'plain', username, password: 'wrong' })),
      refused({ ...right, ssl: {} }),
      refused({ ...right, ssl: { ca: readFileSync(file('ca.pem')) } }),
    ]);
    expect(wrong).toMatch(/SASL PLAIN authentication failed/);
    expect(unknown).toMatch(/certificate/);
    expect(bare).toMatch(/certificate|closed|connect/i);
  });
});
