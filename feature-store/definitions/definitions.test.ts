import { describe, expect, test } from 'vitest';
import { createProject, loadProject, type ProjectError } from '#project';
import { compileFeatures } from './feature-set.ts';

const telcoDir = new URL('../../catalog/telco', import.meta.url).pathname;
const EVENTS = `events:
  customer.updated: { data: { plan: string?, age: number? } }
  bill.issued: { data: { amount: number, due: string? } }
`;
const compile = (features: string, events: string | null = EVENTS) =>
  compileFeatures(createProject(new Map([['features.yaml', features], ...(events === null ? [] : [['events.yaml', events] as const])])));
const faultsOf = (features: string): string[] => {
  try {
    compile(features);
    return [];
  } catch (error) {
    return (error as ProjectError).faults.map(({ file, line, message }) => `${file}:${line}: ${message}`);
  }
};

describe('feature definitions', () => {
  test('telco declares the attributes and features that the other parts name', () => {
    const set = compileFeatures(loadProject(telcoDir));
    expect(set.names).toHaveLength(33);
    expect(set.names.slice(0, 3)).toEqual(['dataMb30d', 'dataMbMean', 'voiceMin30d']);
    expect(set.attributes).toHaveLength(28);
    expect(set.definitions.attributes.filter(({ personal }) => personal).map(({ name }) => name)).toEqual(['name', 'email', 'phone']);
  });

  test('the fingerprint follows the definitions, not their descriptions or layout', () => {
    const one = compile('features:\n  bills: { aggregate: count, event: bill.issued, window: 30d }\n');
    const same = compile(
      '# a remark\nfeatures:\n  bills:\n    description: Bills of a month\n    aggregate: count\n    event: bill.issued\n    window: 720h\n',
    );
    const other = compile('features:\n  bills: { aggregate: count, event: bill.issued, window: 31d }\n');
    expect(same.fingerprint).toBe(one.fingerprint);
    expect(other.fingerprint).not.toBe(one.fingerprint);
    expect(one.fingerprint).toMatch(/^[0-9a-f]{16}$/);
  });

  test('every mistake is reported at once, with its line and what to do', () => {
    expect(
      faultsOf(`attributes:
  plan: { type: text }
  age: { type: number, set: [{ event: customer.changed }, { event: customer.updated, value: old }] }
features:
  a: { aggregate: median, event: bill.issued }
  b: { aggregate: sum, event: bill.issued, field: due, halfLife: 3d, window: 3d }
  c: { aggregate: max, event: bill.issued, field: amount, halfLife: 1 month }
  d: { aggregate: count, event: bill.issued, field: amount, windw: 3d }
  e: { aggregate: mean, event: bill.issued, field: price, buckets: 9 }
  f: { aggregate: count, event: bill.issued, when: "customer.plan == 'x'" }
  g: { aggregate: recency, event: bill.issued, window: 3d, when: "event.data.amount >" }
  h: 3
`),
    ).toEqual([
      'features.yaml:2: type must be one of string, number, boolean',
      "features.yaml:3: events.yaml has no event type 'customer.changed'",
      'features.yaml:3: value must be of type number',
      "features.yaml:12: 'h' must be a mapping",
      'features.yaml:5: aggregate must be one of count, sum, mean, min, max, last, recency',
      expect.stringMatching(/field/),
      'features.yaml:6: give a halfLife or a window, not both',
      expect.stringMatching(/due/),
      expect.stringMatching(/1 month/),
      expect.stringMatching(/windw/),
      expect.stringMatching(/takes no field/),
      expect.stringMatching(/buckets must be 1 to 7/),
      expect.stringMatching(/no field 'price'/),
      expect.stringMatching(/may read 'event' only/),
      expect.stringMatching(/does not forget/),
      expect.stringMatching(/features.yaml:11/),
    ]);
  });

  test('without events.yaml types and fields are taken on trust; without features.yaml there are none', () => {
    expect(compile('features:\n  x: { aggregate: sum, event: anything, field: v }\n', null).names).toEqual(['x']);
    expect(compileFeatures(createProject(new Map())).names).toEqual([]);
  });
});
