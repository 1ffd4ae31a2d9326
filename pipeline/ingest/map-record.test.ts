import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileEventTypes, compileSources, createProject, loadProject } from '#project';
import type { Source } from '#project';
import { decoderOf } from './decoder-of.ts';
import { mapRecord } from './map-record.ts';

const NOW = Date.UTC(2026, 10, 23, 12);
const EVENTS = `events:
  usage.recorded:
    data: { dataMb: number, roaming: boolean?, note: string? }
  bill.issued:
    data: { amount: number }
`;

const sourcesOf = (sources: string): readonly Source[] => {
  const project = createProject(
    new Map([
      ['events.yaml', EVENTS],
      ['sources.yaml', sources],
      ['schemas/bill.yaml', 'type: record\nname: Bill\nfields: []'],
    ]),
  );
  return compileSources(project, compileEventTypes(project));
};
const types = compileEventTypes(createProject(new Map([['events.yaml', EVENTS]])));

const USAGE = `sources:
  usage:
    topic: cdr.usage
    when: value.kind == 'DATA'
    event:
      type: usage.recorded
      subject: value.customer
      time: value.at
      data:
        dataMb: value.bytes / 1048576
        roaming: value.visited != value.home
        note: value.note
`;
const [usage] = sourcesOf(USAGE) as [Source];
const record = { topic: 'cdr.usage', partition: 3, offset: 9, timestamp: NOW - 1_000 };
const map = (source: Source, value: unknown, key: string | null = null) =>
  mapRecord(source, { value, key, headers: {}, record }, types, NOW);
const cdr = (more: object = {}): object => ({
  kind: 'DATA',
  customer: 'c-1',
  at: '2026-11-23T10:00:00+02:00',
  bytes: 3 * 1_048_576,
  visited: 'NO',
  home: 'SE',
  ...more,
});

describe('a record becomes an event', () => {
  test('as the expressions say; a field without a value is left out', () => {
    expect(map(usage, cdr())).toEqual({
      kind: 'ok',
      value: {
        type: 'usage.recorded',
        subjectKind: 'customer',
        subjectId: 'c-1',
        timeMs: Date.UTC(2026, 10, 23, 8),
        data: { dataMb: 3, roaming: true },
      },
    });
  });

  test('a record that `when` does not name is left out, also when it cannot tell', () => {
    expect(map(usage, cdr({ kind: 'VOICE' }))).toEqual({ kind: 'drop', reason: 'filtered' });
    expect(map(usage, { customer: 'c-1' })).toEqual({ kind: 'drop', reason: 'filtered' });
    expect(map(usage, null)).toEqual({ kind: 'drop', reason: 'filtered' });
  });

  test.each([
    [{ customer: '' }, 'source.subject', 'empty text'],
    [{ customer: undefined }, 'source.subject', 'nothing'],
    [{ customer: { id: 1 } }, 'source.subject', 'of type object'],
    [{ customer: 2 ** 60 }, 'source.subject', 'send it as text'],
    [{ customer: 'x'.repeat(300) }, 'source.subject', '300 characters'],
    [{ at: undefined }, 'source.time', 'nothing'],
    [{ at: '23.11.2026' }, 'source.time', 'RFC 3339'],
    [{ at: '2026-11-23T10:00:00' }, 'source.time', 'zone'],
    [{ at: 1_790_000_000 }, 'source.time', 'seconds'],
    [{ at: '2027-01-01T00:00:00Z' }, 'source.time', 'future'],
    [{ bytes: '3' }, 'source.event', 'data.dataMb is required'],
    [{ note: 5 }, 'source.event', 'data.note must be of type string'],
  ])('%j is a dead letter that says why', (more, reason, message) => {
    expect(map(usage, cdr(more))).toMatchObject({ kind: 'deadLetter', reason, message: expect.stringContaining(message) });
  });

  test('whole numbers are ids, too; without `time` the record’s own counts; type and data may be expressions', () => {
    const [bills] = sourcesOf(`sources:
  bills:
    topic: bills
    event:
      type: { cel: "{'B': 'bill.issued'}[value.kind]" }
      subject: value.account
      data: "{'amount': value.cents / 100}"
`) as [Source];
    expect(map(bills, { kind: 'B', account: 17, cents: 250 })).toMatchObject({
      kind: 'ok',
      value: { type: 'bill.issued', subjectId: '17', timeMs: NOW - 1_000, data: { amount: 2.5 } },
    });
    expect(map(bills, { kind: 'X', account: 17, cents: 250 })).toMatchObject({ kind: 'deadLetter', reason: 'source.type' });
    expect(map(bills, { kind: 'B', account: 17 })).toMatchObject({ kind: 'deadLetter', reason: 'source.data' });
  });

  test('the key, the headers and the record itself can be read', () => {
    const [source] = sourcesOf(`sources:
  s:
    topic: t
    event:
      type: usage.recorded
      subject: key
      data: { dataMb: record.offset, note: headers.origin }
`) as [Source];
    expect(mapRecord(source, { value: {}, key: 'c-9', headers: { origin: 'msc' }, record }, types, NOW)).toMatchObject({
      value: { subjectId: 'c-9', data: { dataMb: 9, note: 'msc' } },
    });
  });

  test('whatever a value is, the answer is an event that events.yaml allows, or a reason; never a throw', () => {
    const field = fc.oneof(fc.jsonValue(), fc.constantFrom('DATA', 'c-1', NOW, '2026-11-23T10:00:00Z'));
    const values = fc.record(
      { kind: fc.constant('DATA'), customer: field, at: field, bytes: field, visited: field, home: field, note: field },
      { requiredKeys: ['kind'] },
    );
    fc.assert(
      fc.property(fc.oneof(values, fc.jsonValue()), (value) => {
        const result = map(usage, value);
        if (result.kind === 'ok') expect(types.get(result.value.type)!.validate(result.value.data)).toBeNull();
        else if (result.kind === 'deadLetter') expect(result.reason).toMatch(/^source\.(type|subject|time|data|event)$/);
      }),
      { seed: 5, numRuns: 500 },
    );
  });
});

describe('the example of the telecom project', () => {
  const project = loadProject(new URL('../../catalog/telco', import.meta.url).pathname);
  const eventTypes = compileEventTypes(project);
  const [usageCdr, invoices] = compileSources(project, eventTypes) as [Source, Source];
  const mapTelco = (source: Source, value: unknown) => mapRecord(source, { value, key: null, headers: {}, record }, eventTypes, NOW);

  test('charging records become usage', () => {
    const data = {
      recordType: 'DATA',
      subscriber: { customerId: 'c-1001', homePlmn: '24201' },
      servingPlmn: '26201',
      volumeUplink: 1_048_576,
      volumeDownlink: 5 * 1_048_576,
      recordClosingTime: '2026-11-23T11:59:00+01:00',
    };
    expect(mapTelco(usageCdr, data)).toMatchObject({
      value: { type: 'usage.recorded', subjectId: 'c-1001', data: { dataMb: 6, voiceMin: 0, roaming: true } },
    });
    const voice = { ...data, recordType: 'VOICE', durationSeconds: 90, servingPlmn: '24201' };
    expect(mapTelco(usageCdr, voice)).toMatchObject({ value: { data: { dataMb: 0, voiceMin: 1.5, roaming: false } } });
    expect(mapTelco(usageCdr, { ...data, recordType: 'SIGNALLING' })).toMatchObject({ kind: 'drop' });
  });

  test('Avro invoices become bills', async () => {
    const { format } = invoices;
    const schema = (format as { schema: object }).schema;
    const bytes = avro.Type.forSchema(schema as avro.Schema).toBuffer({
      invoiceId: 'i-1',
      accountHolder: 'c-1001',
      status: 'SENT',
      issuedAt: (NOW - 5_000) * 1_000,
      total: Buffer.from([0x17, 0xfc]),
      overage: null,
      paymentTermDays: 14,
    });
    const value = await decoderOf(invoices, null)(bytes);
    expect(mapTelco(invoices, value)).toMatchObject({
      value: { type: 'bill.issued', subjectId: 'c-1001', timeMs: NOW - 5_000, data: { amount: 61.4, overage: null, dueInDays: 14 } },
    });
  });
});

describe('sources.yaml', () => {
  const faultOf = (sources: string): string => {
    try {
      sourcesOf(sources);
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  const changed = (from: string, to: string): string => faultOf(USAGE.replace(from, to));

  test.each([
    ['topic: cdr.usage', 'topic: attune.events', /sources.yaml:3:5: attune.events is Attune's own/],
    ['topic: cdr.usage', 'topik: cdr.usage', /3:5: unknown field 'topik'/],
    ['topic: cdr.usage', 'format: xml', /one of json, avro/],
    ['topic: cdr.usage', 'topic: a\n    schema: x.yaml', /a schema is for format avro/],
    ['topic: cdr.usage', 'topic: a\n    format: avro\n    schema: x.yaml', /no Avro schema "x.yaml"/],
    ['topic: cdr.usage', 'topic: a\n    brokers: kafka', /list of host:port/],
    ['usage:', 'Usage CDRs:', /lower-case letters, digits and hyphens/],
    ['usage.recorded', 'usage.unknown', /6:7: type must be an event type of events.yaml/],
    ['value.customer', 'customer.id', /7:7: "customer.id".*reads value, key, headers, record/],
    ['subject: value.customer', 'subjekt: value.customer', /lacks 'subject'/],
    ['dataMb: value.bytes / 1048576', 'mb: value.bytes', /data lacks 'dataMb', which usage.recorded requires/],
    ['value.bytes / 1048576', 'value.bytes /', /10:9: "value.bytes \/"/],
  ])('%j → %j is refused at its place', (from, to, message) => {
    expect(changed(from, to)).toMatch(message);
  });

  test('an Avro schema is a file of the project', () => {
    const [source] = sourcesOf(USAGE.replace('topic: cdr.usage', 'topic: a\n    format: avro\n    schema: schemas/bill.yaml')) as [Source];
    expect(source.format).toEqual({ kind: 'avro', schema: { type: 'record', name: 'Bill', fields: [] } });
  });

  test('a project without it, or with an empty one, has no sources', () => {
    expect(compileSources(createProject(new Map([['events.yaml', EVENTS]])), types)).toEqual([]);
    expect(sourcesOf('# nothing yet')).toEqual([]);
  });
});
