import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import avro from 'avsc';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EngineUnavailable, TOPICS, TOPIC_CODECS, decisionCodec, eventCodec, isSealed } from '#contracts';
import type { EventRecord, Topic } from '#contracts';
import { startSchemaRegistry } from '../../test/engines/schema-registry.ts';
import type { TestRegistry } from '../../test/engines/schema-registry.ts';
import { aDecision } from '../../pipeline/test-world.ts';
import { checkRegistry } from './check-registry.ts';
import { createRegistryClient } from './registry-client.ts';
import { createRegistryWire } from './registry-wire.ts';
import { COMPATIBILITY } from './subjects.ts';

const EVENT: EventRecord = {
  id: 'e-1',
  source: 'test',
  type: 'bill.issued',
  subjectKind: 'customer',
  subjectId: 'c-1',
  customerKey: Buffer.alloc(16, 7),
  time: 1,
  receivedAt: 2,
  data: '{"amount":61.4}',
};
const value = eventCodec.encode(EVENT);

/** The event's schema with more fields, as a later release may have it. */
const withFields = (...fields: object[]): avro.Schema => {
  const schema = structuredClone(eventCodec.schema) as { fields: object[] };
  schema.fields.push(...fields);
  return schema as unknown as avro.Schema;
};

describe('records in Confluent’s wire format', () => {
  let registry: TestRegistry;
  const client = () => createRegistryClient({ url: registry.url, timeoutMs: 1_000 });
  const wire = (topicPrefix = '') => createRegistryWire({ registry: client(), topicPrefix });
  beforeEach(async () => {
    registry = await startSchemaRegistry();
  });
  afterEach(() => registry.stop());

  test('a record of every topic comes back as it was', async () => {
    const own = wire();
    await own.prepare();
    for (const [topic, codec] of Object.entries(TOPIC_CODECS)) {
      const body = randomBytes(40);
      const single = Buffer.concat([Buffer.from([0xc3, 0x01]), codec.fingerprint, body]);
      const framed = await own.toWire(topic as Topic, single);
      expect(framed[0]).toBe(0);
      expect(framed.subarray(5)).toEqual(body);
      expect(await own.fromWire(topic as Topic, framed)).toEqual(single);
    }
  });

  test('after prepare, appends ask nothing and do not wait', async () => {
    const own = wire();
    await own.prepare();
    const asked = registry.requests.length;
    expect(own.toWire(TOPICS.events, value)).toBeInstanceOf(Buffer);
    expect(registry.requests).toHaveLength(asked);
  });

  test('a value that is sent again is the same value', async () => {
    const own = wire();
    const before = Buffer.from(value);
    const first = await own.toWire(TOPICS.events, value);
    expect(value).toEqual(before);
    expect(await own.toWire(TOPICS.events, value)).toEqual(first);
  });

  test('another process reads what this one wrote, and asks for each schema once', async () => {
    const framed = await wire().toWire(TOPICS.events, value);
    const reader = wire();
    const asked = registry.requests.length;
    const read = await Promise.all([1, 2, 3].map(async () => reader.fromWire(TOPICS.events, framed)));
    for (const one of read) expect(eventCodec.decode(one)).toEqual(EVENT);
    expect(registry.requests.slice(asked)).toEqual(['GET /schemas/ids/1']);
  });

  test('any Avro tool finds the schema by the id, with the words that explain it', async () => {
    const framed = await wire('prod.').toWire(TOPICS.events, value);
    const registered = await (await fetch(`${registry.url}/subjects/prod.attune.events-value/versions/latest`)).json();
    const { id, schema } = registered as { id: number; schema: string };
    expect(framed.readUInt32BE(1)).toBe(id);
    expect(schema).toContain('CloudEvents id; with source it identifies the event');
    expect(avro.Type.forSchema(JSON.parse(schema) as avro.Schema).fromBuffer(framed.subarray(5))).toMatchObject({ id: 'e-1' });
  });

  test('single-object records are read as they are: a registry may come later', async () => {
    expect(await wire().fromWire(TOPICS.events, value)).toBe(value);
    expect(registry.requests).toEqual([]);
  });

  test('what is not Avro passes both ways unchanged, for its reader to refuse', async () => {
    const own = wire();
    for (const bytes of [Buffer.alloc(0), Buffer.from('{}'), Buffer.from([0, 0, 0]), Buffer.from([0, 0, 0, 9, 9, 1])]) {
      expect(await own.toWire(TOPICS.events, bytes)).toEqual(bytes);
      expect(await own.fromWire(TOPICS.events, bytes)).toEqual(bytes);
    }
  });

  test('an id that the registry does not have is not asked for with every record', async () => {
    let now = 0;
    const own = createRegistryWire({ registry: client(), clock: () => now });
    const strange = Buffer.concat([Buffer.from([0, 0, 0, 3, 232]), Buffer.from('body')]);
    for (let i = 0; i < 5; i++) expect(await own.fromWire(TOPICS.events, strange)).toEqual(strange);
    expect(registry.requests).toEqual(['GET /schemas/ids/1000']);
    now = 31_000;
    await own.fromWire(TOPICS.events, strange);
    expect(registry.requests).toHaveLength(2);
  });

  test('a schema of another kind, or one that cannot be used, passes unchanged, and is not asked for with every record', async () => {
    const own = wire();
    const references = [{ name: 'Gone', subject: 'gone', version: 1 }];
    registry.put({ schema: 'syntax = "proto3";', schemaType: 'PROTOBUF' });
    registry.put({ schema: '{"type":"nonsense"}' });
    registry.put({ schema: '"string"', references });
    for (const id of [1, 2, 3]) {
      const strange = Buffer.from([0, 0, 0, 0, id, 2]);
      expect(await own.fromWire(TOPICS.events, strange)).toEqual(strange);
      const asked = registry.requests.length;
      expect(await own.fromWire(TOPICS.events, strange)).toEqual(strange);
      expect(registry.requests).toHaveLength(asked);
    }
  });

  test('a newer writer’s record is read in this build’s schema', async () => {
    const own = wire();
    await own.prepare();
    const newer = withFields({ name: 'region', type: ['null', 'string'], default: null });
    const id = await client().register('attune.events-value', newer);
    const body = avro.Type.forSchema(newer, { wrapUnions: false }).toBuffer({ ...EVENT, region: 'north' });
    const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, id]), body]);
    expect(eventCodec.decode(await own.fromWire(TOPICS.events, framed))).toEqual(EVENT);
  });

  test('a newer decision still carries a seal that holds', async () => {
    const own = wire();
    await own.prepare();
    const decision = decisionCodec.decode(Buffer.from(aDecision('c-1', 1, 'offer-1').value));
    const newer = structuredClone(decisionCodec.schema) as { fields: object[] };
    newer.fields.unshift({ name: 'country', type: 'string', default: '' });
    const id = await client().register('attune.decisions-value', newer);
    const body = avro.Type.forSchema(newer as never, { wrapUnions: false }).toBuffer({ ...decision, country: 'NO' });
    const read = decisionCodec.decode(await own.fromWire(TOPICS.decisions, Buffer.concat([Buffer.from([0, 0, 0, 0, id]), body])));
    expect(isSealed(read)).toBe(true);
    expect({ ...read, digest: null }).toEqual({ ...decision, digest: null });
  });

  test('a record that cannot be resolved passes unchanged, and its reader refuses it', async () => {
    const own = wire();
    await client().setCompatibility('attune.events-value', 'NONE');
    const id = await client().register('attune.events-value', { type: 'record', name: 'Event', fields: [] });
    const framed = Buffer.from([0, 0, 0, 0, id]);
    expect(await own.fromWire(TOPICS.events, framed)).toEqual(framed);
    expect(() => eventCodec.decode(framed)).toThrow('not Avro single-object');
  });

  test('a registry that is away stops what was never met, says so, and nothing else', async () => {
    const own = wire();
    await own.toWire(TOPICS.events, value);
    const framed = await own.toWire(TOPICS.events, value);
    await own.fromWire(TOPICS.events, framed);
    await registry.down();
    expect(own.toWire(TOPICS.events, value)).toEqual(framed);
    expect(own.fromWire(TOPICS.events, framed)).toEqual(value);
    const outcome = Buffer.concat([Buffer.from([0xc3, 0x01]), TOPIC_CODECS[TOPICS.outcomes].fingerprint]);
    const failure = await Promise.resolve(own.toWire(TOPICS.outcomes, outcome)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(EngineUnavailable);
    expect(failure).toMatchObject({ retriable: true, message: expect.stringContaining(registry.url) });
    await registry.up();
    expect((await own.toWire(TOPICS.outcomes, outcome))[0]).toBe(0);
  });

  test('500 and 429 may be tried again; 401 may not', async () => {
    for (const status of [500, 429]) {
      registry.failNext(1, status);
      await expect(wire().prepare()).rejects.toBeInstanceOf(EngineUnavailable);
    }
    registry.failNext(1, 401);
    await expect(wire().prepare()).rejects.toMatchObject({ code: 'registry.refused', retriable: false });
  });

  test('of several addresses the next is asked when one is away', async () => {
    const several = createRegistryClient({ url: `http://127.0.0.1:9, ${registry.url}/` });
    expect(await several.latest('nothing')).toBeNull();
  });

  test('the subject’s rule is ours where it has none, and stays where it has one', async () => {
    await client().setCompatibility('attune.outcomes-value', 'BACKWARD');
    await wire().prepare();
    expect(await client().compatibilityOf('attune.events-value')).toBe(COMPATIBILITY);
    expect(await client().compatibilityOf('attune.outcomes-value')).toBe('BACKWARD');
  });

  test('the rule refuses a field without default, and a schema that is none', async () => {
    await wire().prepare();
    await expect(client().register('attune.events-value', withFields({ name: 'region', type: 'string' }))).rejects.toMatchObject({
      code: 'registry.incompatible',
      message: expect.stringContaining('attune.events-value'),
    });
    await expect(client().register('attune.events-value', { type: 'nonsense' })).rejects.toMatchObject({ code: 'registry.refused' });
  });

  test('every released version of every contract obeys the rule', async () => {
    await wire().prepare();
    for (const [topic, { versions }] of Object.entries(TOPIC_CODECS)) {
      const listed = await (await fetch(`${registry.url}/subjects/${topic}-value/versions`)).json();
      expect(listed).toHaveLength(versions.length);
    }
  });

  test('doctor says what is missing, mends it, and is content', async () => {
    const missing = await checkRegistry({ registry: client() });
    expect(missing).toHaveLength(Object.keys(TOPIC_CODECS).length);
    expect(missing[0]).toContain('no subject attune.events-value');
    expect(await checkRegistry({ registry: client(), fix: true })).toEqual([]);
    await client().setCompatibility('attune.events-value', 'NONE');
    expect(await checkRegistry({ registry: client() })).toEqual([expect.stringContaining('is under NONE')]);
    await registry.down();
    expect(await checkRegistry({ registry: client() })).toEqual([expect.stringContaining('does not answer')]);
    await registry.up();
  });

  test('doctor names a subject that cannot take our schema', async () => {
    await client().register('attune.events-value', { type: 'record', name: 'Foreign', fields: [{ name: 'x', type: 'int' }] });
    expect(await checkRegistry({ registry: client(), fix: true })).toEqual([
      expect.stringContaining('refuses the schema of attune.events-value'),
    ]);
  });

  test('a password is asked for and given', async () => {
    const closed = await startSchemaRegistry({ username: 'attune', password: 'secret' });
    try {
      const connection = { url: closed.url, username: 'attune', password: 'secret' };
      await createRegistryWire({ registry: createRegistryClient(connection) }).prepare();
      const wrong = createRegistryWire({ registry: createRegistryClient({ ...connection, password: 'guess' }) }).prepare();
      await expect(wrong).rejects.toMatchObject({ code: 'registry.refused', message: expect.stringContaining('401') });
    } finally {
      await closed.stop();
    }
  });

  test('one in the address is given too, and never told', async () => {
    const closed = await startSchemaRegistry({ username: 'attune', password: 'p@ss/word' });
    const url = closed.url.replace('//', '//attune:p%40ss%2Fword@');
    await createRegistryWire({ registry: createRegistryClient({ url: `${url}/, ${url}` }) }).prepare();
    await closed.stop();
    const away = await createRegistryClient({ url })
      .latest('x')
      .catch((error: unknown) => error);
    expect(away).toMatchObject({ message: expect.stringContaining(closed.url) });
    expect(inspect(away, { depth: 9 })).not.toMatch(/p%40ss|p@ss/);
    for (const broken of ['http://attune:p#ss@host', 'http://attune:p?ss@host']) {
      const fault = await (async () => createRegistryClient({ url: broken }).latest('x'))().catch((error: unknown) => error);
      expect(inspect(fault, { depth: 9 })).toContain('registry.address');
      expect(inspect(fault, { depth: 9 })).not.toMatch(/p[#?]ss/);
    }
  });
});
