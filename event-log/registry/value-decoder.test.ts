import avro from 'avsc';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EngineUnavailable, fingerprintOfType } from '#contracts';
import { startSchemaRegistry } from '../../test/engines/schema-registry.ts';
import type { TestRegistry } from '../../test/engines/schema-registry.ts';
import { singleObjectHeader } from './framing.ts';
import { createRegistryClient } from './registry-client.ts';
import { createRegistryDecoder, createSchemaDecoder, jsonDecoder } from './value-decoder.ts';

const BILL = {
  type: 'record',
  name: 'Bill',
  fields: [
    { name: 'account', type: 'long' },
    { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 10, scale: 2 } },
    { name: 'issuedAt', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'due', type: { type: 'int', logicalType: 'date' } },
    { name: 'note', type: ['null', 'string'], default: null },
    { name: 'lines', type: { type: 'array', items: { type: 'record', name: 'Line', fields: [{ name: 'text', type: 'string' }] } } },
    { name: 'mark', type: 'bytes' },
  ],
};
/** Without the logical types: what a producer in another language writes. */
const raw = avro.Type.forSchema(BILL as never);
const bytes = raw.toBuffer({
  account: 42,
  amount: Buffer.from([0xff, 0x85]), // -123
  issuedAt: 1_700_000_000_123_456,
  due: 20_000,
  note: 'late',
  lines: [{ text: 'data' }],
  mark: Buffer.from('ok'),
});
const PLAIN = {
  account: 42,
  amount: -1.23,
  issuedAt: 1_700_000_000_123,
  due: '2024-10-04',
  note: 'late',
  lines: [{ text: 'data' }],
  mark: 'b2s=',
};

const framed = (id: number, body: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, 0, id]), body]);

describe('values of the operator’s topics', () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startSchemaRegistry();
  });
  afterAll(() => registry.stop());
  const client = () => createRegistryClient({ url: registry.url, timeoutMs: 1_000 });

  test('JSON, also behind the five bytes of Confluent’s serializer', () => {
    expect(jsonDecoder(Buffer.from('{"a":1}'))).toEqual({ a: 1 });
    expect(jsonDecoder(framed(7, Buffer.from('{"a":1}')))).toEqual({ a: 1 });
    for (const broken of ['', '{', '{"a":1}}']) expect(() => jsonDecoder(Buffer.from(broken))).toThrow(/^not JSON/);
    expect(() => jsonDecoder(Buffer.from([0x22, 0xff, 0x22]))).toThrow(/^not JSON/);
  });

  test('Avro of a schema of the project: plain data, decimals as numbers, times in milliseconds', () => {
    const decode = createSchemaDecoder(BILL);
    expect(decode(bytes)).toEqual(PLAIN);
    expect(Object.getPrototypeOf(decode(bytes))).toBe(Object.prototype);
    const marked = Buffer.concat([singleObjectHeader(fingerprintOfType(avro.Type.forSchema(BILL as never))), bytes]);
    expect(decode(marked)).toEqual(PLAIN);
    expect(() => decode(bytes.subarray(0, 5))).toThrow(/^not Avro/);
    expect(() => createSchemaDecoder({ type: 'nonsense' })).toThrow(/^not an Avro schema/);
  });

  test('a whole number beyond 2^53 is text, to the last digit', () => {
    const decode = createSchemaDecoder({ type: 'record', name: 'R', fields: [{ name: 'id', type: 'long' }] });
    // Zig-zag varint of 2^63 - 1.
    expect(decode(Buffer.from('feffffffffffffffff01', 'hex'))).toEqual({ id: '9223372036854775807' });
    expect(decode(Buffer.from('02', 'hex'))).toEqual({ id: 1 });
  });

  test('Avro by the registry, each record by the schema that wrote it, also one that refers to others', async () => {
    const line = await client().register('line', BILL.fields[5]!.type);
    expect(line).toBeGreaterThan(0);
    const decode = createRegistryDecoder(client());
    const id = await client().register('bill-value', BILL);
    expect(await decode(framed(id, bytes))).toEqual(PLAIN);
    const asked = registry.requests.length;
    expect(decode(framed(id, bytes))).toEqual(PLAIN);
    expect(registry.requests).toHaveLength(asked);

    const money = { type: 'record', name: 'Money', fields: [{ name: 'cents', type: 'int' }] };
    await client().register('money', money);
    const response = await fetch(`${registry.url}/subjects/order-value/versions`, {
      method: 'POST',
      body: JSON.stringify({
        schema: JSON.stringify({ type: 'record', name: 'Order', fields: [{ name: 'total', type: 'Money' }] }),
        references: [{ name: 'Money', subject: 'money', version: 1 }],
      }),
    });
    const { id: order } = (await response.json()) as { id: number };
    expect(await decode(framed(order, Buffer.from([0x08])))).toEqual({ total: { cents: 4 } });
  });

  test('what is wrong with a value is said, and what may pass by itself is told apart', async () => {
    const decode = createRegistryDecoder(client());
    expect(() => decode(Buffer.from('{}'))).toThrow(/wire format.*7b7d/);
    await expect(decode(framed(99, bytes))).rejects.toMatchObject({
      code: 'source.value',
      message: expect.stringContaining('no schema 99'),
    });
    const json = registry.put({ schema: '{"type":"object"}', schemaType: 'JSON' });
    await expect(decode(framed(json, bytes))).rejects.toMatchObject({
      code: 'source.value',
      message: expect.stringContaining('"JSON", not Avro'),
    });
    await registry.down();
    await expect(decode(framed(98, bytes))).rejects.toBeInstanceOf(EngineUnavailable);
    await registry.up();
  });
});
