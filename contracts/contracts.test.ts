import { readFileSync, readdirSync } from 'node:fs';
import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as contracts from './index.ts';

const { createCustomerKey, createDecisionId, customerKeyByHmac, decisionIdFromBytes, decisionIdToBytes, parseDecisionId } = contracts;
const codecs = Object.values(contracts as Record<string, unknown>).filter(
  (v): v is contracts.RecordCodec<unknown> => typeof v === 'object' && v !== null && 'fingerprint' in v,
);

describe('ids', () => {
  test('a decision id keeps its time, its shard and its order, and survives its bytes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 48 - 1 }),
        fc.integer({ min: 0, max: 65_535 }),
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        (atMs, shard, a, b) => {
          const id = createDecisionId({ atMs, shard, entropy: [a, b] });
          expect(parseDecisionId(id)).toBe(id);
          expect(contracts.timeOfDecision(id)).toBe(atMs);
          expect(contracts.shardOfDecision(id)).toBe(shard);
          expect(decisionIdFromBytes(decisionIdToBytes(id))).toBe(id);
          expect(createDecisionId({ atMs: atMs + 1, shard: 0, entropy: [0, 0] }) > id).toBe(atMs + 1 < 2 ** 48);
        },
      ),
      { seed: 1 },
    );
  });

  test('text that is not one of our decision ids is refused', () => {
    expect(parseDecisionId('')).toBeNull();
    expect(parseDecisionId('00000000-0000-4000-8000-000000000000')).toBeNull();
  });

  test('the fast customer key equals HMAC-SHA-256, also under a long secret', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), fc.string({ minLength: 1 }), (secret, id) => {
        expect(createCustomerKey(secret)({ kind: 'customer', id })).toBe(customerKeyByHmac(secret, { kind: 'customer', id }));
      }),
      { seed: 2 },
    );
  });

  test('an empty customer id is refused', () => {
    expect(() => contracts.parseCustomerId('  ')).toThrow(/must not be empty/);
  });

  test('shards and hashes never change: they are part of every id ever given', () => {
    expect(contracts.shardOf('c-1001')).toMatchInlineSnapshot(`64815`);
    expect(contracts.hash48('c-1001', 7)).toMatchInlineSnapshot(`124944777904092`);
  });

  test('hashUnit is uniform enough to form groups', () => {
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) counts[Math.floor(contracts.hashUnit(`customer-${i}`, 3) * 10)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
  });
});

describe('records', () => {
  test('CRC-64-AVRO agrees with the specification\'s test vector for "null"', () => {
    expect(contracts.fingerprint64(Buffer.from('"null"')).readBigUInt64LE().toString(16)).toBe('63dd24e7cc258f8a');
  });

  test('every released schema version of every record is known to its codec, and none has changed since', () => {
    const released: Record<string, string> = {};
    for (const codec of codecs) released[codec.name] = codec.fingerprint.toString('hex');
    expect(released).toMatchInlineSnapshot(`
      {
        "attune.communications": "c7d5618015104eb7",
        "attune.controls": "9266451f0fe20003",
        "attune.dead-letters": "28332dff747f2df5",
        "attune.decisions": "9346300dd9dbe24f",
        "attune.erasures": "97227630828dd326",
        "attune.events": "d6bc90455804e49e",
        "attune.models": "c0115bcb3b7d30fe",
        "attune.outcomes": "ed157f2003241f09",
        "attune.rewards": "6793dcae52a722e6",
      }
    `);
    const folders = readdirSync(new URL('.', import.meta.url), { withFileTypes: true }).filter((e) => e.isDirectory());
    for (const folder of folders) {
      for (const file of readdirSync(new URL(`${folder.name}/`, import.meta.url)).filter((name) => name.endsWith('.avsc.json'))) {
        const source = readFileSync(new URL(`${folder.name}/${folder.name}.ts`, import.meta.url), 'utf8');
        expect(source).toContain(`./${file}`);
      }
    }
  });

  test('a model record of the first version is read as one without a shared checkpoint or a posterior of its own', () => {
    const v1 = avro.Type.forSchema(JSON.parse(readFileSync(new URL('model/v1.avsc.json', import.meta.url), 'utf8')) as avro.Schema);
    const record = {
      loop: '',
      version: 'v',
      snapshot: 7,
      role: 'champion',
      blob: 'b',
      at: 1,
      experiences: 2,
      watermark: 3,
      kept: true,
      note: 'n',
    };
    const bytes = Buffer.concat([Buffer.of(0xc3, 0x01), Buffer.from('c8e60682f46e34fb', 'hex'), v1.toBuffer(record)]);
    expect(contracts.modelCodec.decode(bytes)).toEqual({
      ...record,
      checkpoint: null,
      checkpointAt: 0,
      posterior: null,
      posteriorUntil: 0,
      roleAt: 0,
    });
  });

  test('controls of the second version pause without a notice and hold nobody out', () => {
    const v2 = avro.Type.forSchema(JSON.parse(readFileSync(new URL('control/v2.avsc.json', import.meta.url), 'utf8')) as avro.Schema);
    const { notices, downChannels, holdouts, segmentOrders, ...fields } = { ...contracts.NO_CONTROLS, version: 3, pausedActions: ['a'] };
    const bytes = Buffer.concat([Buffer.of(0xc3, 0x01), contracts.fingerprintOfType(v2), v2.toBuffer({ ...fields, pinnedModel: null })]);
    expect(contracts.controlCodec.decode(bytes)).toEqual({ ...fields, notices, downChannels, holdouts, segmentOrders });
  });

  test('an erasure of the first version has no shard', () => {
    const bytes = Buffer.concat([Buffer.of(0xc3, 0x01), Buffer.from('e664df6950053c76', 'hex'), Buffer.alloc(16, 7), Buffer.of(2)]);
    expect(contracts.erasureCodec.decode(bytes)).toEqual({ customerKey: Buffer.alloc(16, 7), erasedAt: 1, shard: null });
  });

  test('what is encoded is decoded, and what is not ours is refused with a reason', () => {
    const erasure = { customerKey: Buffer.alloc(16, 7), erasedAt: 1_700_000_000_000, shard: 51_234 };
    const bytes = contracts.erasureCodec.encode(erasure);
    expect(contracts.erasureCodec.decode(bytes)).toEqual(erasure);
    expect(() => contracts.erasureCodec.decode(Buffer.from('junk'))).toThrow(/not Avro single-object/);
    expect(() => contracts.eventCodec.decode(bytes)).toThrow(/unknown schema/);
    expect(() => contracts.erasureCodec.decode(bytes.subarray(0, 12))).toThrow(/attune.erasures/);
  });
});
