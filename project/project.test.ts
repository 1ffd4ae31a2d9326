import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProjectError, compileEventTypes, createProject, loadProject, packProject, personalNamesOf, unpackProject } from './index.ts';

const EVENTS = `events:
  bill.issued:
    data:
      amount: number
      overage: number?
      note: { type: string, optional: true, personal: true }
      kind: { type: string, enum: [paper, mail] }
`;

describe('a project', () => {
  test('is read from a folder, and a folder that is not there is refused', () => {
    const dir = mkdtempSync(join(tmpdir(), 'attune-project-'));
    mkdirSync(join(dir, 'actions'));
    writeFileSync(join(dir, 'events.yaml'), EVENTS);
    writeFileSync(join(dir, 'actions', 'a.yaml'), 'actions: []');
    writeFileSync(join(dir, 'notes.txt'), 'not read');
    const project = loadProject(dir);
    expect([...project.files.keys()]).toEqual(['actions/a.yaml', 'events.yaml']);
    expect(project.documents('actions').map((document) => document.path)).toEqual(['actions/a.yaml']);
    expect(project.document('nothing.yaml')).toBeNull();
    rmSync(dir, { recursive: true });
    expect(() => loadProject(dir)).toThrow(ProjectError);
  });

  test('has the same version whatever the order of its files, and another for any change', () => {
    const a = createProject(
      new Map([
        ['a.yaml', 'x: 1'],
        ['b.yaml', 'y: 2'],
      ]),
    );
    expect(
      createProject(
        new Map([
          ['b.yaml', 'y: 2'],
          ['a.yaml', 'x: 1'],
        ]),
      ).version,
    ).toBe(a.version);
    expect(
      createProject(
        new Map([
          ['a.yaml', 'x: 1'],
          ['b.yaml', 'y: 3'],
        ]),
      ).version,
    ).not.toBe(a.version);
    expect(
      createProject(
        new Map([
          ['a.yaml', 'x: 1'],
          ['c.yaml', 'y: 2'],
        ]),
      ).version,
    ).not.toBe(a.version);
  });

  test('survives its packing byte for byte', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('a.txt', 'b/c.txt', 'ü.txt'), fc.string()), (files) => {
        const project = createProject(new Map(Object.entries(files)));
        const again = unpackProject(packProject(project));
        expect(again.version).toBe(project.version);
        expect([...again.files]).toEqual([...project.files]);
      }),
      { seed: 3, numRuns: 50 },
    );
    expect(() => unpackProject(Buffer.from('junk'))).toThrow(/not a packed project/);
  });

  test('places a fault at the line and column of the part that is meant', () => {
    const document = createProject(new Map([['a.yaml', 'list:\n  - name: x\n  - name: y\n    deep: { key: 1 }\n']])).document('a.yaml')!;
    expect(document.fault(['list', 1, 'deep', 'key'], 'm')).toEqual({ file: 'a.yaml', line: 4, column: 13, message: 'm' });
    expect(document.fault(['list', 0], 'm')).toMatchObject({ line: 2, column: 5 });
    expect(document.fault(['list', 1, 'absent'], 'm')).toMatchObject({ line: 3, column: 5 });
    expect(document.fault([], 'm')).toMatchObject({ line: 1, column: 1 });
  });

  test('with broken YAML is refused with file and line', () => {
    expect(() => createProject(new Map([['a.yaml', 'a: 1\nb: [2,\n']]))).toThrow(/^a\.yaml:\d+:\d+: /);
  });
});

describe('event types', () => {
  const types = compileEventTypes(createProject(new Map([['events.yaml', EVENTS]])));
  const bill = types.get('bill.issued')!;

  test('name the field that is wrong', () => {
    expect(bill.validate({ amount: 1, kind: 'paper' })).toBeNull();
    expect(bill.validate({ kind: 'paper' })).toBe("data.amount is required in 'bill.issued'");
    expect(bill.validate({ amount: '1', kind: 'paper' })).toMatch(/data.amount must be of type number/);
    expect(bill.validate({ amount: 1, kind: 'fax' })).toMatch(/data.kind must be one of paper, mail/);
    expect(bill.validate([])).toMatch(/must be an object/);
    expect(types.get('other')).toBeNull();
  });

  test('keep personal and undeclared fields from the warehouse', () => {
    expect(bill.personalFields).toEqual(['note']);
    expect(bill.withoutPersonal({ amount: 1, note: 'Ada', extra: 'Ada' })).toEqual({ amount: 1 });
  });

  test('and attributes give the names that no model sees', () => {
    const features = 'attributes:\n  plan: { type: string }\n  email: { type: string, personal: true }\n';
    const project = createProject(
      new Map([
        ['events.yaml', EVENTS],
        ['features.yaml', features],
      ]),
    );
    expect([...personalNamesOf(project)]).toEqual(['email', 'note']);
    expect(personalNamesOf(createProject(new Map([['events.yaml', 'events: [a, { data: 3 }]']])))).toEqual(new Set());
    expect(personalNamesOf(createProject(new Map()))).toEqual(new Set());
  });

  test('with mistakes are refused', () => {
    expect(() => compileEventTypes(createProject(new Map([['events.yaml', 'events:\n  a:\n    data: { x: text }\n']])))).toThrow(
      /events.yaml:3:13: 'text' is not a type/,
    );
  });
});
